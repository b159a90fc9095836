/**
 * `pnpm reliability histories`: real servers on a real Postgres, clients and faults; then a check of
 * everything that was answered against everything that is there.
 */
import { existsSync, mkdirSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { parseArgs } from "node:util"
import { amount, invalid, wholeNumber } from "../arguments.ts"
import { Random } from "../random.ts"
import { counted, exitCodes, usageOf } from "../usage.ts"
import { checkHistory } from "./checker/check.ts"
import { faultKinds } from "./faults/faults.ts"
import type { History } from "./history.ts"
import { HistoryInvalid, readHistory } from "./readHistory.ts"
import { reportOf, summaryOf, verdictOf } from "./report/report.ts"
import { run as runHistory } from "./run.ts"

const usage = usageOf(
  "histories",
  "Servers, clients and faults on a real Postgres; then a check of the whole history.",
  [
    ["--full", "more nodes and clients, and each fault many times; otherwise once"],
    ["--seed S", "the choices of the clients and of the faults (default: of the clock)"],
    ["--minutes M", "stop striking after M minutes (default: 1; with --full 30)"],
    ["--faults TEXT", "only the faults whose names contain TEXT"],
    [
      "--tls, --no-tls",
      "TLS between the nodes and Postgres (default: with --full the seed decides)"
    ],
    [
      "--pooler, --no-pooler",
      "some nodes behind PgBouncer in transaction mode (default: the same)"
    ],
    ["--report FILE.md", "write a report as Markdown, and its timeline beside it as SVG"],
    [
      "--history FILE",
      "where to keep the history, in a new file\n(default: histories-SEED-TIME.ndjson in the temporary folder)"
    ],
    ["--check FILE", "check a history again, and run nothing"]
  ]
)

export const run = async (args: ReadonlyArray<string>): Promise<number> => {
  const { values } = parseArgs({
    args: [...args],
    allowNegative: true,
    options: {
      full: { type: "boolean", default: false },
      seed: { type: "string" },
      minutes: { type: "string" },
      faults: { type: "string", default: "" },
      tls: { type: "boolean" },
      pooler: { type: "boolean" },
      report: { type: "string" },
      history: { type: "string" },
      check: { type: "string" },
      help: { type: "boolean", default: false }
    }
  })
  if (values.help) {
    console.log(usage)
    return exitCodes.held
  }
  const { full: isFull, faults, report } = values
  const seed = wholeNumber("seed", values.seed ?? String(Date.now() % 1_000_000), 0)
  const minutes = amount("minutes", values.minutes ?? (isFull ? "30" : "1"))
  if (report?.endsWith(".md") === false) invalid("--report takes the name of a Markdown file, .md.")
  if (!faultKinds.some(({ name }) => name.includes(faults))) {
    const names = faultKinds.map(({ name }) => name).join("; ")
    invalid(`No fault's name contains "${faults}". There are: ${names}.`)
  }
  const file = values.check ?? values.history ?? fileOf(seed)
  if (values.check === undefined) {
    if (existsSync(file)) invalid(`There is a history in ${file}: give --history another name.`)
    const startedAt = performance.now()
    const say = (text: string) =>
      console.log(`${((performance.now() - startedAt) / 1_000).toFixed(1).padStart(7)} s  ${text}`)
    console.log(`seed ${seed}; the history is kept in ${file}`)
    mkdirSync(dirname(file), { recursive: true })
    /** Each has a source of its own, so that it changes nothing of what else the seed decides. */
    const bySeed = (what: string) => isFull && new Random(`${seed} ${what}`).chance(0.5)
    const tls = values.tls ?? bySeed("tls")
    const pooler = values.pooler ?? bySeed("pooler")
    await runHistory({ seed, isFull, minutes, faults, tls, pooler, file, say })
  }
  const code = checkFile(file, report)
  // Nothing is left to wait for. Without this, Node went on for ever after two long runs with TLS: in
  // its own cleanup, which waits until every handle has closed.
  if (values.check === undefined) process.exit(code)
  return code
}

/** The time is in the name, so that a seed that runs again keeps what the first run found. */
const fileOf = (seed: number): string => {
  const time = new Date().toISOString().replace(/[-:]|\..*/g, "")
  return join(tmpdir(), `histories-${seed}-${time}.ndjson`)
}

const checkFile = (file: string, report: string | undefined): number => {
  const history = historyIn(file)
  if (!history.hasEnd) {
    const calls = counted(history.calls.length, "call")
    console.log(`NOT CHECKED: this history has no end: the run was cut off, after ${calls}.`)
    return exitCodes.notJudged
  }
  const verdict = checkHistory(history)
  console.log(summaryOf(history, verdict))
  if (report !== undefined) {
    mkdirSync(dirname(report), { recursive: true })
    const { markdown, timeline } = reportOf(history, verdict, report)
    writeFileSync(report, markdown)
    writeFileSync(report.replace(/\.md$/, ".svg"), timeline)
  }
  console.log(`\n${verdictOf(history, verdict, file)}`)
  return verdict.findings.length === 0 ? exitCodes.held : exitCodes.broken
}

const historyIn = (file: string): History => {
  try {
    return readHistory(file)
  } catch (error) {
    if (error instanceof HistoryInvalid) return invalid(`${file} is no history: ${error.message}.`)
    const { code } = error as { readonly code?: string }
    if (code === undefined) throw error
    return invalid(`The history ${file} cannot be read: ${code}.`)
  }
}
