/** Plays many seeds in several threads. */
import { Worker } from "node:worker_threads"
import type { Change } from "./mutations.ts"
import type { Report, Work } from "./worker.ts"

export interface Playing {
  readonly from: number
  readonly seeds: number
  readonly threads: number
  readonly changes?: ReadonlyArray<Change> | undefined
  readonly theme?: string | undefined
  /** Whether a thread stops at the first seed that fails. */
  readonly stops?: boolean | undefined
  readonly onReport: (report: Report) => void
}

/** Succeeds when all seeds have been played; fails if a thread does, such as by a lost mutation. */
export const playSeeds = async (playing: Playing): Promise<void> => {
  const { from, seeds, threads, changes = [], theme, stops = false, onReport } = playing
  const run = (index: number): Promise<void> =>
    new Promise((done, fail) => {
      const share = { from: from + index, step: threads, end: from + seeds }
      const work: Work = { ...share, changes, theme, stops }
      const worker = new Worker(new URL("worker.ts", import.meta.url), { workerData: work })
      worker.on("message", onReport)
      worker.on("error", fail)
      worker.on("exit", (code) => (code === 0 ? done() : fail(new Error(`exit code ${code}`))))
    })
  await Promise.all(Array.from({ length: Math.min(threads, seeds) }, (_, index) => run(index)))
}
