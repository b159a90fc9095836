/**
 * Tidies what has lapsed and lets in who is next where nobody asks. Nothing waits for it: lapsed
 * holds and tokens count as such from their instant on. It makes the late events, and admits users
 * who are not polling.
 */
import { Duration, Effect, Exit, Layer } from "effect"
import { BoxOfficeStore } from "./BoxOfficeStore.ts"
import type { StoreUnavailable } from "./Errors.ts"
import { runInBackground } from "./engine/backgroundLoop.ts"
import { checkInterval } from "./Interval.ts"
import { idempotencyKeySecondsMin, Policies } from "./Policies.ts"
import { Queue } from "./Queue.ts"
import { Reservations } from "./Reservations.ts"

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

/** How many rows of each kind were deleted. */
export interface Cleared {
  readonly tokens: number
  readonly reservations: number
  readonly outcomes: number
  readonly events: number
  readonly deadLetters: number
}

/** The most batches of one kind that one round deletes. */
const batchesPerClearing = 100

/**
 * Deletes what is older than the policies keep it. Each kind by itself: where one fails the others
 * are cleared all the same, and then the round fails.
 */
export const clearEnded: Effect.Effect<Cleared, StoreUnavailable, BoxOfficeStore> = Effect.gen(
  function* () {
    const store = yield* BoxOfficeStore
    const policies = yield* Policies
    const { outbox, deliveries } = store
    // Also where the policies were not checked.
    const keySeconds = Math.max(policies.idempotencyKeySeconds, idempotencyKeySecondsMin)
    const cleared = yield* Effect.all({
      tokens: clearKind(policies.endedTokenSeconds, store.clearEnded),
      reservations: clearUnlessKept(policies.endedReservationSeconds, store.clearReservations),
      outcomes: clearKind(keySeconds, store.clearOutcomes),
      events: clearUnlessKept(policies.eventSeconds, outbox.prune),
      deadLetters: clearUnlessKept(policies.deadLetterSeconds, deliveries.clear)
    })
    if (Exit.isSuccess(cleared.deadLetters) && cleared.deadLetters.value > 0) {
      yield* Effect.logWarning(
        `webhooks that were given up and never delivered were deleted: ${cleared.deadLetters.value}`
      )
    }
    return {
      tokens: yield* cleared.tokens,
      reservations: yield* cleared.reservations,
      outcomes: yield* cleared.outcomes,
      events: yield* cleared.events,
      deadLetters: yield* cleared.deadLetters
    }
  }
).pipe(Effect.withSpan("Sweeper.clearEnded"))

type Clear = (olderThanMs: number, limit: number) => Effect.Effect<number, StoreUnavailable>

const clearKind = (seconds: number, clear: Clear) =>
  Effect.exit(
    Effect.gen(function* () {
      let cleared = 0
      for (let batch = 0; batch < batchesPerClearing; batch++) {
        const gone = yield* clear(seconds * 1_000, perRound)
        cleared += gone
        if (gone < perRound) break
      }
      return cleared
    })
  )

/** 0 seconds is for ever. */
const clearUnlessKept = (seconds: number, clear: Clear) =>
  seconds === 0 ? Effect.exit(Effect.succeed(0)) : clearKind(seconds, clear)

/**
 * Sweeps again and again while the layer lives. Any number of nodes may do so at once. Throws a `TypeError`
 * where the interval is none to wait for, such as 0.
 */
export const layerSweeper = (
  every: Duration.Input = "1 second"
): Layer.Layer<never, never, BoxOfficeStore | Queue | Reservations> => {
  checkInterval("layerSweeper", Duration.toMillis(Duration.fromInputUnsafe(every)))
  return Layer.effectDiscard(
    Effect.all([
      Effect.forkScoped(runInBackground("sweep", every, sweep)),
      Effect.forkScoped(runInBackground("clearing", "1 minute", clearEnded))
    ])
  )
}
