/**
 * The sweeper: background work that no call triggers.
 *
 * - `sweep` ends lapsed holds and tokens, which emits their late events, and admits the next tokens
 *   of queues that no client polls. No rule depends on it: lapsed holds and tokens count as ended
 *   from their instant on.
 * - `clearEnded` deletes rows that are older than the policies keep them.
 *
 * The module holds no state: each round asks the store for what is due, so any number of nodes can
 * run it, and what fails is found again in the next round. `layerSweeper` runs `sweep` at an
 * interval, one second by default, and `clearEnded` once a minute, while the layer lives.
 */
import { Duration, Effect, Exit, Layer } from "effect"
import { BoxOfficeStore } from "./BoxOfficeStore.ts"
import type { StoreUnavailable } from "./Errors.ts"
import { runInBackground } from "./engine/backgroundLoop.ts"
import { checkInterval } from "./Interval.ts"
import { Policies } from "./Policies.ts"
import { idempotencyKeySecondsMin } from "./policies/settings.ts"
import { Queue } from "./Queue.ts"
import { Reservations } from "./Reservations.ts"

/**
 * The most reservations, and queues, that one round ends or advances; also the rows of one
 * deletion.
 */
const perRound = 1_000

/** How long a round waits for one of them: a locked row must not delay the next round. */
const workTimeout = "3 seconds"

/**
 * Runs one round. Succeeds with the number of reservations and queues that it found; 0 means that
 * none was due. If one of them fails, such as by a policy of the host, the others go on, and the
 * next round finds it again.
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
    const bounded = work.map((one) => failureOf(Effect.timeoutOption(one, workTimeout)))
    const causes = yield* Effect.all(bounded, { concurrency: "unbounded" })
    const first = causes.find((cause) => cause !== undefined)
    if (first !== undefined) yield* Effect.logWarning("a part of a sweep failed", first)
    return lapsed.reservations.length + lapsed.queues.length
  }).pipe(Effect.withSpan("Sweeper.sweep"))

/** The cause of a failure; `undefined` for a success. */
const failureOf = <E>(work: Effect.Effect<unknown, E>) =>
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
 * Deletes rows that are older than the policies keep them, each kind by itself: if one kind fails,
 * the others are still cleared, and then the round fails.
 */
export const clearEnded: Effect.Effect<Cleared, StoreUnavailable, BoxOfficeStore> = Effect.gen(
  function* () {
    const store = yield* BoxOfficeStore
    const policies = yield* Policies
    const { outbox, deliveries } = store
    // A host that provides the policies as a layer bypasses their checks, so the minimum applies
    // here.
    const keySeconds = Math.max(policies.idempotencyKeySeconds, idempotencyKeySecondsMin)
    const cleared = yield* Effect.all({
      tokens: clearKind(policies.endedTokenSeconds, store.clearTokens),
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

/** Deletes rows of one kind, a batch at a time, until none is left or the round has done enough. */
const clearKind = (seconds: number, clear: Clear) =>
  Effect.exit(
    Effect.gen(function* () {
      let cleared = 0
      for (let batch = 0; batch < batchesPerClearing; batch++) {
        const deleted = yield* clear(seconds * 1_000, perRound)
        cleared += deleted
        if (deleted < perRound) break
      }
      return cleared
    })
  )

/** As `clearKind`; 0 seconds keeps the rows for ever. */
const clearUnlessKept = (seconds: number, clear: Clear) =>
  seconds === 0 ? Effect.exit(Effect.succeed(0)) : clearKind(seconds, clear)

/**
 * Runs the sweeper while the layer lives, with `every` between two rounds. Any number of nodes may
 * do so at once. Throws a `TypeError` if the interval is out of range, such as 0.
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
