/** A thread that plays seeds, of the engine as it is or of one with changes. */
import { parentPort, workerData } from "node:worker_threads"
import type { Finding } from "./check/facts.ts"
import { loadChanged } from "./mutate.ts"
import type { Change } from "./mutations.ts"

export interface Work {
  readonly changes: ReadonlyArray<Change>
  /** Plays these seeds: from the first one, in steps, below the end. */
  readonly from: number
  readonly step: number
  readonly end: number
  /** Plays only the seeds of this theme. */
  readonly theme: string | undefined
  /** Whether to stop at the first seed that fails. */
  readonly stops: boolean
}

export interface Report {
  readonly seed: number
  readonly findings: ReadonlyArray<Finding>
  readonly counts: ReadonlyArray<readonly [string, number]>
  readonly simulatedMs: number
  readonly calls: number
}

const { changes, from, step, end, theme, stops } = workerData as Work
if (changes.length > 0) loadChanged(changes)
const { play } = await import("./simulate.ts")
const { planOf } = await import("./generate.ts")

// Nobody reads a stack here: a seed that fails is played once more, to be told. Noting the stacks of
// refusals and spans takes a while. Effect must load before, since it looks how stacks are written.
Error.stackTraceLimit = 0

for (let seed = from; seed < end; seed += step) {
  const plan = planOf(seed)
  if (theme !== undefined && plan.theme !== theme) continue
  const { findings, counts, simulatedMs, calls } = play(plan)
  const report: Report = { seed, findings, counts: Array.from(counts), simulatedMs, calls }
  parentPort!.postMessage(report)
  if (stops && findings.length > 0) break
}
