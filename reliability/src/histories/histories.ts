/**
 * `pnpm reliability histories`: real servers on a real Postgres, clients and faults; then a check of
 * everything that was answered against everything that is there.
 */
import { mkdirSync, writeFileSync } from "node:fs"
import { dirname } from "node:path"
import { parseArgs } from "node:util"
import { Random } from "../random.ts"
import { checkHistory } from "./checker/check.ts"
import { readHistory } from "./history.ts"
import { reportOf, summaryOf } from "./report/report.ts"
import { run as runHistory } from "./run.ts"

const usage = `Usage: pnpm reliability histories [options]

  --full            more nodes and clients, and each fault many times; otherwise once
  --seed S          the choices of the clients and of the faults (default: of the clock)
  --minutes M       stop striking after M minutes (default: 1; with --full 30)
  --faults TEXT     only the faults whose names contain TEXT
  --tls, --no-tls   TLS between the nodes and Postgres (default: with --full the seed decides)
  --pooler, --no-pooler
                    some nodes behind PgBouncer in transaction mode (default: the same)
  --report FILE     write a report as Markdown, and its timeline beside it as SVG
  --history FILE    where to keep the history (default: histories-SEED.ndjson in the temporary folder)
  --check FILE      check a history again, and run nothing`

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
    return 0
  }
  const seed = Number(values.seed ?? Date.now() % 1_000_000)
  const file =
    values.check ?? values.history ?? `${process.env.TMPDIR ?? "/tmp"}/histories-${seed}.ndjson`
  if (values.check === undefined) {
    const startedAt = performance.now()
    const say = (text: string) =>
      console.log(`${((performance.now() - startedAt) / 1_000).toFixed(1).padStart(7)} s  ${text}`)
    console.log(`seed ${seed}; the history is kept in ${file}`)
    mkdirSync(dirname(file), { recursive: true })
    const minutes = Number(values.minutes ?? (values.full ? 30 : 1))
    /** Each has a source of its own, so that it changes nothing of what else the seed decides. */
    const bySeed = (what: string) => values.full && new Random(`${seed} ${what}`).chance(0.5)
    const tls = values.tls ?? bySeed("tls")
    const pooler = values.pooler ?? bySeed("pooler")
    const { full: isFull, faults } = values
    await runHistory({ seed, isFull, minutes, faults, tls, pooler, file, say })
  }
  const history = readHistory(file)
  const verdict = checkHistory(history)
  console.log(summaryOf(history, verdict))
  if (values.report !== undefined) {
    mkdirSync(dirname(values.report), { recursive: true })
    const { markdown, timeline } = reportOf(history, verdict, values.report)
    writeFileSync(values.report, markdown)
    writeFileSync(values.report.replace(/\.md$/, ".svg"), timeline)
  }
  const code = verdict.findings.length === 0 ? 0 : 1
  // Nothing is left to wait for. Without this, Node went on for ever after two long runs with TLS: in
  // its own cleanup, which waits until every handle has closed.
  if (values.check === undefined) process.exit(code)
  return code
}
