/**
 * Tidies what has lapsed and lets in who is next where nobody asks. Nothing waits for it: lapsed
 * holds and tokens count as such from their instant on. It makes the late events, and admits users
 * who are not polling.
 */
import { type Duration, Effect, Layer, Schedule } from "effect"
import type { Overloaded, StoreUnavailable } from "./Errors.ts"
import { Policies } from "./Policies.ts"
import { Queue } from "./Queue.ts"
import { Reservations } from "./Reservation.ts"
import { BoxOfficeStore } from "./Store.ts"

const perRound = 1_000

/** One round. Succeeds with the number of things it attended to; 0 means that all is tidy. */
export const sweep: Effect.Effect<
  number,
  Overloaded | StoreUnavailable,
  BoxOfficeStore | Queue | Reservations
> = Effect.gen(function* () {
  const store = yield* BoxOfficeStore
  const queue = yield* Queue
  const reservations = yield* Reservations
  const lapsed = yield* store.lapsed(perRound)
  yield* Effect.all(
    [
      reservations.expire(lapsed.reservations),
      Effect.forEach(lapsed.queues, queue.advance, { concurrency: "unbounded", discard: true })
    ],
    { concurrency: 2, discard: true }
  )
  return lapsed.reservations.length + lapsed.queues.length
}).pipe(Effect.withSpan("Sweeper.sweep"))

/** The most batches of ended tokens that one round clears away. */
const batchesPerClearing = 100

/** Clears away queue tokens that ended longer ago than the policies keep them. */
export const clearEnded: Effect.Effect<number, StoreUnavailable, BoxOfficeStore> = Effect.gen(
  function* () {
    const store = yield* BoxOfficeStore
    const { endedTokenSeconds } = yield* Policies
    let cleared = 0
    for (let batch = 0; batch < batchesPerClearing; batch++) {
      const gone = yield* store.clearEnded(endedTokenSeconds * 1_000, perRound)
      cleared += gone
      if (gone < perRound) break
    }
    return cleared
  }
).pipe(Effect.withSpan("Sweeper.clearEnded"))

/** Sweeps again and again while the layer lives. Any number of nodes may do so at once. */
export const layerSweeper = (
  every: Duration.Input = "1 second"
): Layer.Layer<never, never, BoxOfficeStore | Queue | Reservations> =>
  Layer.effectDiscard(
    Effect.all([
      sweep.pipe(
        // The store being away is no reason to stop: the next round may find it back.
        Effect.catch((error) => Effect.logWarning("sweep failed", error)),
        Effect.repeat(Schedule.spaced(every)),
        Effect.forkScoped
      ),
      clearEnded.pipe(
        Effect.catch((error) => Effect.logWarning("clearing failed", error)),
        Effect.repeat(Schedule.spaced("1 minute")),
        Effect.forkScoped
      )
    ])
  )
