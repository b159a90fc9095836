/**
 * Readings that many may share for a moment.
 *
 * A reading is given again until it is `freshMs` old, or until this node has changed what it shows:
 * so a node reads its own writes, and sees those of others after `freshMs` at the latest. However
 * many ask, there is one read at a time for a key; who comes too late for one waits for the next.
 *
 * What is read inside a host's transaction is that transaction's alone: it is not shared.
 */
import { Clock, Effect, type Scope } from "effect"
import type { Overloaded, StoreUnavailable } from "../Errors.ts"
import { HostTransaction } from "../HostTransaction.ts"
import { type Batcher, makeBatchers } from "./Batcher.ts"

/** A reading, and how many milliseconds ago it was begun. */
export interface SharedRead<A> {
  readonly reading: A
  readonly ageMs: number
}

export interface SharedReads<K, A> {
  readonly read: (key: K) => Effect.Effect<SharedRead<A>, Overloaded | StoreUnavailable>
  /** The reading that would be given again, if there is one. */
  readonly peek: (key: K) => SharedRead<A> | undefined
  /** What is known of a key is no longer so. */
  readonly invalidate: (key: K) => void
  /** Something has changed, and which key it belongs to is only known once it was read. */
  readonly invalidateUnderWay: () => void
}

export interface SharedReadsOptions<K, A> {
  /** Reads anew; `before` is the reading that has grown old, where there was one and it is known. */
  readonly read: (key: K, before: A | undefined) => Effect.Effect<A, StoreUnavailable>
  /** For how long a reading is given again, in milliseconds; 0 shares only what is in flight. */
  readonly maxAgeMs: number
  /** The most readings that are kept. */
  readonly keep: number
}

interface Kept<A> {
  readonly reading: A
  /** In nanoseconds, by a clock that is never set. */
  readonly begunAt: bigint
}

const batchersPerRead = 4
const waitingMax = 100_000
// Where writes make every reading stale at once, reading takes about a fifth of the time.
const restPerWork = 4

export const makeSharedReads = <K extends string, A>(
  options: SharedReadsOptions<K, A>
): Effect.Effect<SharedReads<K, A>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const clock = yield* Clock.Clock
    const kept = new Map<K, Kept<A>>()
    const restUntil = new Map<K, number>()
    // What tells a read that is under way that it may not show what has just changed.
    const underWay = new Map<K, () => void>()

    const fresh = (key: K, now: bigint): Kept<A> | undefined => {
      const found = kept.get(key)
      return found !== undefined && msBetween(found.begunAt, now) < options.maxAgeMs
        ? found
        : undefined
    }

    const refresh = (key: K): Effect.Effect<Kept<A>, StoreUnavailable> =>
      Effect.gen(function* () {
        const found = fresh(key, clock.monotonicTimeNanosUnsafe())
        if (found !== undefined) return found
        yield* rest((restUntil.get(key) ?? 0) - performance.now())
        let stale = false
        underWay.set(key, () => {
          stale = true
        })
        const begunAt = clock.monotonicTimeNanosUnsafe()
        const started = performance.now()
        const reading = yield* Effect.ensuring(
          options.read(key, kept.get(key)?.reading),
          Effect.sync(() => underWay.delete(key))
        )
        const ended = performance.now()
        const next = { reading, begunAt }
        if (!stale) {
          kept.delete(key)
          kept.set(key, next)
          if (kept.size > options.keep) forget(kept.keys().next().value!)
        }
        // Never longer than a reading is good for: a read that took long may have met a stall.
        restUntil.set(key, ended + Math.min(options.maxAgeMs, restPerWork * (ended - started)))
        return next
      })

    const forget = (key: K): void => {
      kept.delete(key)
      restUntil.delete(key)
    }

    const batcher: Batcher<K, Kept<A>> = yield* makeBatchers({
      batchers: batchersPerRead,
      capacity: waitingMax,
      batchSize: waitingMax,
      keyOf: (key: K) => key,
      run: (batch) =>
        Effect.gen(function* () {
          const keys = Array.from(new Set(batch))
          const read = yield* Effect.forEach(keys, refresh, { concurrency: "unbounded" })
          const byKey = new Map(keys.map((key, i) => [key, read[i]!]))
          return batch.map((key) => byKey.get(key)!)
        })
    })

    const aged = ({ reading, begunAt }: Kept<A>, now: bigint): SharedRead<A> => ({
      reading,
      ageMs: msBetween(begunAt, now)
    })
    const peek = (key: K): SharedRead<A> | undefined => {
      const now = clock.monotonicTimeNanosUnsafe()
      const found = fresh(key, now)
      return found && aged(found, now)
    }
    const shared = (key: K) =>
      Effect.suspend(() => {
        const found = peek(key)
        if (found !== undefined) return Effect.succeed(found)
        return Effect.map(batcher.submit(key), (read) =>
          aged(read, clock.monotonicTimeNanosUnsafe())
        )
      })
    const alone = (key: K) =>
      Effect.map(options.read(key, undefined), (reading) => ({ reading, ageMs: 0 }))

    return {
      peek,
      read: (key) =>
        Effect.withFiber((fiber) =>
          fiber.getRef(HostTransaction) === undefined ? shared(key) : alone(key)
        ),
      invalidate: (key) => {
        kept.delete(key)
        underWay.get(key)?.()
      },
      invalidateUnderWay: () => {
        for (const tell of underWay.values()) tell()
      }
    }
  })

// Subtracted before it is rounded: as a float the clock itself can be off by a fraction of a
// millisecond, and so by a whole one where that is cut off.
export const msBetween = (earlier: bigint, later: bigint): number => Number(later - earlier) / 1e6

// By the machine's own timer: how busy the store is has nothing to do with what time it is said
// to be in a test.
const rest = (milliseconds: number): Effect.Effect<void> =>
  milliseconds <= 0
    ? Effect.void
    : Effect.callback<void>((resume) => {
        const timer = setTimeout(() => resume(Effect.void), milliseconds)
        return Effect.sync(() => clearTimeout(timer))
      })
