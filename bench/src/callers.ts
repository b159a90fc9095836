/** Runs concurrent callers, each with one call in flight, for a fixed time. */
import { Effect, Exit } from "effect"

export interface LoadOptions {
  readonly callers: number
  readonly seconds: number
  /** The n-th call of the run; `undefined` if the prepared rows are used up. */
  readonly call: (n: number) => Effect.Effect<unknown, unknown> | undefined
}

export interface LoadResult {
  readonly answers: number
  readonly succeeded: number
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
}

export const runCallers = async ({ callers, seconds, call }: LoadOptions): Promise<LoadResult> => {
  const latencies: Array<number> = []
  let next = 0
  let succeeded = 0
  const started = performance.now()
  const deadline = started + seconds * 1_000
  const caller = Effect.gen(function* () {
    while (performance.now() < deadline) {
      const operation = call(next++)
      if (operation === undefined) return
      const before = performance.now()
      const exit = yield* Effect.exit(operation)
      latencies.push(performance.now() - before)
      if (Exit.isSuccess(exit)) succeeded++
    }
  })
  await Effect.runPromise(
    Effect.all(
      Array.from({ length: callers }, () => caller),
      { concurrency: "unbounded", discard: true }
    )
  )
  const elapsed = (performance.now() - started) / 1_000
  latencies.sort((a, b) => a - b)
  const at = (share: number) => latencies[Math.floor(latencies.length * share)] ?? Number.NaN
  return {
    answers: latencies.length,
    succeeded,
    perSecond: latencies.length / elapsed,
    p50Ms: at(0.5),
    p99Ms: at(0.99)
  }
}
