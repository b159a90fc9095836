/**
 * Tidies what has lapsed and lets in who is next where nobody asks. Nothing waits for it: lapsed
 * holds and tokens count as such from their instant on. It makes the late events, and admits users
 * who are not polling.
 */
import { type Duration, Effect, Layer } from "effect"
import { again } from "./Background.ts"
import type { StoreUnavailable } from "./Errors.ts"
import { Policies } from "./Policies.ts"
import { Queue } from "./Queue.ts"
import { Reservations } from "./Reservation.ts"
import { BoxOfficeStore } from "./Store.ts"

const perRound = 1_000

/**
 * One round. Succeeds with the number of things it found to attend to; 0 means that all is tidy.
 * One that fails, such as by a hook of the host's, keeps nobody else waiting: it is found again in
 * the next round.
 */
export const sweep: Effect.Effect<number, StoreUnavailable, BoxOfficeStore | Queue | Reservations> =
  Effect.gen(function* () {
    const store = yield* BoxOfficeStore
    const queue = yield* Queue
    const reservations = yield* Reservations
    const lapsed = yield* store.lapsed(perRound)
    const work = [
      ...lapsed.reservations.map((reservationId) => reservations.expire([reservationId])),
      ...lapsed.queues.map(queue.advance)
    ]
    const failed = yield* Effect.all(work.map(isDone), { concurrency: "unbounded" })
    const first = failed.find((cause) => cause !== undefined)
    if (first !== undefined) yield* Effect.logWarning("not all that lapsed was tidied", first)
    return lapsed.reservations.length + lapsed.queues.length
  }).pipe(Effect.withSpan("Sweeper.sweep"))

/** Nothing, or why it failed. */
const isDone = <E>(work: Effect.Effect<void, E>) =>
  Effect.matchCause(work, { onFailure: (cause) => cause, onSuccess: () => undefined })

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
      Effect.forkScoped(again("sweep", every, sweep)),
      Effect.forkScoped(again("clearing", "1 minute", clearEnded))
    ])
  )
