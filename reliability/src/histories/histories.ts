/**
 * `pnpm reliability histories`: real servers on a real Postgres, clients and faults; then a check of
 * everything that was answered against everything that is there.
 */
import { mkdirSync, writeFileSync } from "node:fs"
import { dirname } from "node:path"
import { parseArgs } from "node:util"
import { checkHistory } from "./checker/check.ts"
import { readHistory } from "./history.ts"
import { reportOf, summaryOf } from "./report/report.ts"
import { run as runHistory } from "./run.ts"

const usage = `Usage: pnpm reliability histories [options]

  --full            more nodes and clients, and each fault many times; otherwise once
  --seed S          the choices of the clients and of the faults (default: of the clock)
  --minutes M       stop striking after M minutes (default: 1; with --full 30)
  --faults TEXT     only the faults whose names contain TEXT
  --report FILE     write a report as Markdown, and its timeline beside it as SVG
  --history FILE    where to keep the history (default: histories-SEED.ndjson in the temporary folder)
  --check FILE      check a history again, and run nothing`

export const run = async (args: ReadonlyArray<string>): Promise<number> => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      full: { type: "boolean", default: false },
      seed: { type: "string" },
      minutes: { type: "string" },
      faults: { type: "string", default: "" },
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
    await runHistory({ seed, isFull: values.full, minutes, faults: values.faults, file, say })
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
  return verdict.findings.length === 0 ? 0 : 1
}
