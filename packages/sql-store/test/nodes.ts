/** Several nodes over one database, with clocks that are wrong. */
import { BoxOffice, BoxOfficeStore, layerOf, type PolicyOptions } from "@boxoffice/core"
import { Clock, Effect, Layer, ManagedRuntime } from "effect"
import { SqlStore } from "../src/index.ts"
import { atEnd } from "./support.ts"

const signingKeys = { k1: "a secret of at least thirty-two bytes" }

/** How wrong a clock is. */
interface Skew {
  /** By how many milliseconds its time is wrong; it advances like any other clock. */
  readonly toldMs?: number
  /** If the test alone advances it: how many milliseconds have passed. */
  passedMs?: number
}

const skewed = (skew: Skew): Layer.Layer<never> =>
  Layer.effect(
    Clock.Clock,
    Effect.map(Clock.Clock, (clock) => {
      const told = skew.toldMs ?? 0
      const toldNanos = BigInt(told) * 1_000_000n
      const passed = () =>
        skew.passedMs === undefined
          ? clock.monotonicTimeNanosUnsafe()
          : BigInt(skew.passedMs) * 1_000_000n
      return {
        currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe() + told,
        currentTimeMillis: Effect.map(clock.currentTimeMillis, (now) => now + told),
        currentTimeNanosUnsafe: () => clock.currentTimeNanosUnsafe() + toldNanos,
        currentTimeNanos: Effect.map(clock.currentTimeNanos, (now) => now + toldNanos),
        monotonicTimeNanosUnsafe: passed,
        monotonicTimeNanos: Effect.sync(passed),
        sleep: (duration) => clock.sleep(duration)
      }
    })
  )

export interface NodeOptions {
  readonly url: string
  readonly skew?: Skew
  readonly policies?: Partial<PolicyOptions>
  /** Called with the name of every call of the store. */
  readonly onCall?: (name: string) => void
}

/**
 * One node: an engine over a store of its own. By default it reads again at once instead of
 * caching.
 */
export const startNode = async ({ url, skew = {}, policies, onCall }: NodeOptions) => {
  const store = SqlStore.layerUrl({ url, migrate: true, maxConnections: 4 })
  const heard = Layer.effect(
    BoxOfficeStore,
    Effect.map(BoxOfficeStore, (inner) => {
      const calls = Object.entries(inner).map(([name, operation]) => {
        if (typeof operation !== "function") return [name, operation]
        const ask = operation as (...args: ReadonlyArray<unknown>) => unknown
        const asking = (...args: ReadonlyArray<unknown>) => {
          onCall?.(name)
          return ask(...args)
        }
        return [name, asking]
      })
      return Object.fromEntries(calls) as BoxOfficeStore["Service"]
    })
  ).pipe(Layer.provide(store))
  const runtime = ManagedRuntime.make(
    layerOf({
      signingKeys,
      policies: { queueMaxAgeMs: 20, gateMaxAgeMs: 0, staleIfStoreDownMs: 0, ...policies }
    }).pipe(Layer.provideMerge(heard), Layer.provide(skewed(skew)))
  )
  atEnd(() => runtime.dispose())
  const office = await runtime.runPromise(BoxOffice)
  return { ...office, run: runtime.runPromise, close: () => runtime.dispose() }
}
export type RunningNode = Awaited<ReturnType<typeof startNode>>

/** Pseudo-random numbers from 0 to 1, the same for the same seed (mulberry32). */
export const randomFrom = (seed: number) => () => {
  seed = (seed + 0x6d2b79f5) | 0
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed)
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
}
