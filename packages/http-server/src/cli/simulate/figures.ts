/** Counters and latencies of a running simulation, with a sample for each second. */
import { createHistogram } from "node:perf_hooks"
import { Cause, Effect, Exit } from "effect"
import { makeEstimates } from "./estimates.ts"

export const operations = ["join", "poll", "look", "hold", "charge", "pay"] as const
export type Operation = (typeof operations)[number]
export type Fate =
  | "turnedAway"
  | "missed"
  | "conflict"
  | "gaveUp"
  | "abandoned"
  | "released"
  | "lapsed"

export interface Sample {
  readonly second: number
  readonly sold: number
  readonly waiting: number
  readonly active: number
  /** Calls that completed within this second. */
  readonly rates: Readonly<Record<Operation, number>>
}

export interface Latency {
  readonly calls: number
  readonly p50Ms: number
  readonly p99Ms: number
}

const waitSecondsMax = 30

export type Figures = ReturnType<typeof makeFigures>

export const makeFigures = () => {
  // In microseconds. Histograms, because sorting ten million durations takes longer than some
  // sales.
  const durations = perOperation(() => createHistogram())
  const lateness = createHistogram()
  let fromMemory = 0
  const fates: Record<Fate, number> = {
    turnedAway: 0,
    missed: 0,
    conflict: 0,
    gaveUp: 0,
    abandoned: 0,
    released: 0,
    lapsed: 0
  }
  const violations: Array<string> = []
  const failures = new Map<string, number>()
  const paymentIds = new Set<string>()
  const samples: Array<Sample> = []
  let sold = 0
  let before = perOperation(() => 0)
  const record = (name: Operation, ms: number): void =>
    durations[name].record(Math.max(1, Math.round(ms * 1_000)))

  /** Repeats a call while the engine is overloaded, with a growing delay. */
  const retryWhenOverloaded = <A, E extends { readonly _tag: string }>(
    call: Effect.Effect<A, E>
  ): Effect.Effect<A, E> => {
    const attempt = (waitSeconds: number): Effect.Effect<A, E> =>
      Effect.catchIf(
        call,
        (error) => error._tag === "Overloaded",
        () => {
          fates.turnedAway++
          return Effect.andThen(
            Effect.sleep(waitSeconds * 1_000),
            attempt(Math.min(waitSecondsMax, 2 * waitSeconds))
          )
        }
      )
    return attempt(1)
  }

  const timeOnce = <A, E extends { readonly _tag: string }>(
    name: Operation,
    call: Effect.Effect<A, E>
  ): Effect.Effect<A, E> =>
    Effect.suspend(() => {
      const started = performance.now()
      return Effect.onExit(call, (exit) =>
        Effect.sync(() => {
          if (!isTurnedAway(exit)) record(name, performance.now() - started)
        })
      )
    })

  return {
    fates,
    violations,
    failures,
    paymentIds,
    samples,
    get sold() {
      return sold
    },
    count: (fate: Fate): void => {
      fates[fate]++
    },
    violate: (what: string): void => {
      violations.push(what)
    },
    fail: (cause: Cause.Cause<unknown>): void => {
      if (Cause.hasInterruptsOnly(cause)) return
      const what = String(Cause.squash(cause)).split("\n")[0]!
      failures.set(what, (failures.get(what) ?? 0) + 1)
    },
    sell: (paymentId: string, seats: number): void => {
      paymentIds.add(paymentId)
      sold += seats
    },
    estimates: makeEstimates(),
    /** Repeats an overloaded call, and times only the attempt that the engine accepted. */
    time: <A, E extends { readonly _tag: string }>(
      name: Operation,
      call: Effect.Effect<A, E>
    ): Effect.Effect<A, E> => retryWhenOverloaded(timeOnce(name, call)),
    timeOnce,
    retryWhenOverloaded,
    /** Records a poll that was served from memory, with its duration in milliseconds. */
    answeredFromMemory: (ms: number): void => {
      fromMemory++
      record("poll", ms)
    },
    get pollsFromMemory() {
      return fromMemory
    },
    /** Records by how many milliseconds a call was later than it was due. */
    recordLateness: (ms: number): void => lateness.record(Math.max(1, Math.round(ms))),
    get lateP99Ms() {
      return lateness.count === 0 ? 0 : lateness.percentile(99)
    },
    sample: (
      second: number,
      queue: { readonly waiting: number; readonly active: number }
    ): Sample => {
      const now = perOperation((name) => Number(durations[name].count))
      const rates = perOperation((name) => now[name] - before[name])
      before = now
      const sample = { second, sold, waiting: queue.waiting, active: queue.active, rates }
      samples.push(sample)
      return sample
    },
    latency: (name: Operation): Latency => {
      const calls = Number(durations[name].count)
      const at = (percent: number) =>
        calls === 0 ? 0 : durations[name].percentile(percent) / 1_000
      return { calls, p50Ms: at(50), p99Ms: at(99) }
    }
  }
}

const perOperation = <A>(make: (name: Operation) => A): Record<Operation, A> =>
  Object.fromEntries(operations.map((name) => [name, make(name)])) as Record<Operation, A>

const isTurnedAway = (exit: Exit.Exit<unknown, { readonly _tag: string }>): boolean =>
  Exit.isFailure(exit) &&
  exit.cause.reasons.some((reason) => reason._tag === "Fail" && reason.error._tag === "Overloaded")
