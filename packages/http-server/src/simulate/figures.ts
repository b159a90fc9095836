/** What is counted while the crowd runs, and a sample of it each second. */
import { Cause, Effect, Exit } from "effect"

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
  /** Calls answered within this second. */
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
  const durations = Object.fromEntries(operations.map((name) => [name, []])) as unknown as Record<
    Operation,
    Array<number>
  >
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
  let before = Object.fromEntries(operations.map((name) => [name, 0])) as Record<Operation, number>

  /** Makes a call again when too much waits already, each time after a longer while. */
  const patiently = <A, E extends { readonly _tag: string }>(
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
    /** Times the attempt that was taken. */
    time: <A, E extends { readonly _tag: string }>(
      name: Operation,
      call: Effect.Effect<A, E>
    ): Effect.Effect<A, E> =>
      patiently(
        Effect.suspend(() => {
          const started = performance.now()
          return Effect.onExit(call, (exit) =>
            Effect.sync(() => {
              if (!isTurnedAway(exit)) durations[name].push(performance.now() - started)
            })
          )
        })
      ),
    patiently,
    sample: (
      second: number,
      queue: { readonly waiting: number; readonly active: number }
    ): Sample => {
      const now = Object.fromEntries(
        operations.map((name) => [name, durations[name].length])
      ) as Record<Operation, number>
      const rates = Object.fromEntries(
        operations.map((name) => [name, now[name] - before[name]])
      ) as Record<Operation, number>
      before = now
      const sample = { second, sold, waiting: queue.waiting, active: queue.active, rates }
      samples.push(sample)
      return sample
    },
    latency: (name: Operation): Latency => {
      const sorted = durations[name].toSorted((a, b) => a - b)
      const at = (share: number) => sorted[Math.floor(sorted.length * share)] ?? 0
      return { calls: sorted.length, p50Ms: at(0.5), p99Ms: at(0.99) }
    }
  }
}

const isTurnedAway = (exit: Exit.Exit<unknown, { readonly _tag: string }>): boolean =>
  Exit.isFailure(exit) &&
  exit.cause.reasons.some((reason) => reason._tag === "Fail" && reason.error._tag === "Overloaded")
