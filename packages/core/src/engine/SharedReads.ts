/**
 * Readings that many callers share.
 *
 * Holds: the last reading of each key, at most `keep` of them, and as many of keys that the store does not
 * have, so that users who ask for what does not exist displace no reading. The reading that was read
 * longest ago goes first.
 *
 * Refresh: on demand. A call reads again if the reading is `maxAgeMs` old, or if this node has changed
 * what it shows. So a node sees its own writes at once, and those of other nodes after `maxAgeMs` at
 * the latest. There is one read at a time for a key; a caller that comes too late for it waits for the
 * next one.
 *
 * States of a key:
 * - absent: never read, invalidated, or evicted. The next call reads it.
 * - fresh: younger than `maxAgeMs`. Every call gets the same reading.
 * - under way: a read runs, and its callers wait for it. If this node changes the key meanwhile, these
 *   callers still get the reading, but it is not kept.
 * - stale: older than `maxAgeMs`, and the next read failed, or took longer than 500 ms. Calls get the last
 *   reading for as long as it is younger than `staleIfStoreDownMs`, so that users can read on in an outage,
 *   also if the store is only silent.
 * - resting: invalidated right after a read. The next read begins after four times as long as the last
 *   one took (`maxAgeMs` at most), so that a storm of changes does not keep the store busy with reads.
 *
 * A read inside a host's transaction sees uncommitted rows, so it is not shared.
 */
import { Cause, Clock, Effect, type Scope } from "effect"
import type { Overloaded, StoreUnavailable } from "../Errors.ts"
import { HostTransaction } from "../HostTransaction.ts"
import { type Batcher, makeBatchers } from "./Batcher.ts"
import { realPause } from "./realPause.ts"

/** A reading, and how many milliseconds ago it began. */
export interface SharedRead<A> {
  readonly reading: A
  readonly ageMs: number
}

export interface SharedReads<K, A> {
  readonly read: (key: K) => Effect.Effect<SharedRead<A>, Overloaded | StoreUnavailable>
  /** The reading that would be shared, if there is one. */
  readonly peek: (key: K) => SharedRead<A> | undefined
  /** Forgets the reading of a key, since the node has changed what it shows. */
  readonly invalidate: (key: K) => void
  /** Marks all reads that are under way as stale: one of them may show what has changed. */
  readonly invalidateUnderWay: () => void
}

export interface SharedReadsOptions<K, A> {
  /** Reads a key. `before` is the last reading, if there is one. */
  readonly read: (key: K, before: A | undefined) => Effect.Effect<A, StoreUnavailable>
  /** How long a reading is shared, in milliseconds; 0 shares only reads in flight. */
  readonly maxAgeMs: number
  /** Up to which age a reading is given if the next read fails, in milliseconds. Default 0: never. */
  readonly staleIfStoreDownMs?: number
  /** The most readings that are kept. */
  readonly keep: number
}

interface Kept<A> {
  readonly reading: A
  /** In nanoseconds, by a monotonic clock. */
  readonly begunAt: bigint
}

/** How long a call waits for the next read if there is an older reading to answer from. */
export const refreshTimeout = "500 millis"

const batchersPerRead = 4
const waitingMax = 100_000
// Reads then take about a fifth of the time.
const restPerWork = 4

export const makeSharedReads = <K extends string, A>(
  options: SharedReadsOptions<K, A>
): Effect.Effect<SharedReads<K, A>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const clock = yield* Clock.Clock
    const kept = new Map<K, Kept<A>>()
    const absent = new Map<K, Kept<A>>()
    const restUntil = new Map<K, number>()
    // Marks a read that is under way as stale.
    const underWay = new Map<K, () => void>()

    const fresh = (key: K, now: bigint): Kept<A> | undefined => {
      const found = kept.get(key) ?? absent.get(key)
      // Guard shared-age: with "true" for "msBetween(found.begunAt, now) < options.maxAgeMs", SharedReads.test "within the window" fails.
      return found !== undefined && msBetween(found.begunAt, now) < options.maxAgeMs
        ? found
        : undefined
    }

    const refresh = (key: K): Effect.Effect<Kept<A>, StoreUnavailable> =>
      Effect.gen(function* () {
        const found = fresh(key, clock.monotonicTimeNanosUnsafe())
        if (found !== undefined) return found
        yield* realPause((restUntil.get(key) ?? 0) - performance.now())
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
        // Guard shared-stale: with "true" for "!stale", maxAge.test "during the very first reading" fails.
        if (!stale) {
          forget(key)
          const readings = reading === undefined ? absent : kept
          readings.set(key, next)
          // Guard shared-bound: without it, SharedReads.test "no more readings are kept" fails.
          if (readings.size > options.keep) forget(readings.keys().next().value!)
        }
        // At most `maxAgeMs`: a read that took long may have met a stall.
        restUntil.set(key, ended + Math.min(options.maxAgeMs, restPerWork * (ended - started)))
        // Those of readings that were not kept are gone by then.
        if (restUntil.size > 2 * options.keep) restUntil.delete(restUntil.keys().next().value!)
        return next
      })

    const forget = (key: K): void => {
      kept.delete(key)
      absent.delete(key)
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
    const stale = (key: K): SharedRead<A> | undefined => {
      const last = kept.get(key)
      const read = last && aged(last, clock.monotonicTimeNanosUnsafe())
      // Guard stale-reading: with "true" for "read.ageMs…?? 0)", SharedReads.test "while the store is down" fails.
      return read && read.ageMs < (options.staleIfStoreDownMs ?? 0) ? read : undefined
    }
    const shared = (key: K) =>
      Effect.suspend(() => {
        const found = peek(key)
        if (found !== undefined) return Effect.succeed(found)
        const next = Effect.map(batcher.submit(key), (read) =>
          aged(read, clock.monotonicTimeNanosUnsafe())
        )
        if (stale(key) === undefined) return next
        // Looked up again: this node may have changed what the reading shows while the read failed.
        // Guard shared-silence: with "next" for "Effect.timeout(next, refreshTimeout)", SharedReads.test "while the store is silent" fails.
        return orElse(Effect.timeout(next, refreshTimeout), next, () => stale(key))
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
        absent.delete(key)
        underWay.get(key)?.()
      },
      invalidateUnderWay: () => {
        for (const markStale of underWay.values()) markStale()
      }
    }
  })

/**
 * The outcome of a read that has a time limit; if it fails, the known value. If nothing is known any more,
 * a read that was only slow goes on as `patient`.
 */
export const orElse = <A, E, B>(
  read: Effect.Effect<A, E | Cause.TimeoutError>,
  patient: Effect.Effect<A, E>,
  known: () => B | undefined
): Effect.Effect<A | B, E> =>
  Effect.catch(read, (error): Effect.Effect<A | B, E> => {
    const found = known()
    if (found !== undefined) return Effect.succeed(found)
    return Cause.isTimeoutError(error) ? patient : Effect.fail(error as E)
  })

// Subtracts before it rounds: as a float the clock itself can be off by a fraction of a millisecond.
export const msBetween = (earlier: bigint, later: bigint): number => Number(later - earlier) / 1e6
