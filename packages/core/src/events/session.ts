/**
 * One stay of a consumer at the outbox: it holds the lease, reads on, and keeps its place.
 *
 *     claim ─▶ read a page ─▶ hand out ─▶ acknowledged? ─▶ move the place, and save it now and then
 *
 * The place never passes an event that is not acknowledged, nor one that comes before it.
 *
 * What is saved can be trusted, and what is only in memory while the database lives: after a crash it
 * may count other batches in the same terms. So a stay ends where a read fails, or where the store says
 * that it was interrupted, and the next one begins at the saved place.
 */
import { randomUUID } from "node:crypto"
import { Array, Clock, Data, Deferred, Effect, Schedule, type Scope, Semaphore } from "effect"
import type { StoreUnavailable } from "../Errors.ts"
import { aggregateOf, type BoxOfficeEvent } from "../Events.ts"
import { runInBackground } from "../engine/backgroundLoop.ts"
import { decodeEvents } from "./codec.ts"
import { ConsumerMisplaced, EventsUnreadable } from "./errors.ts"
import type { Outbox, OutboxPage, Place, StartingPoint } from "./Outbox.ts"

/** Another owner has the consumer now, or the database may have crashed: a new stay is to begin. */
export class LeaseLost extends Data.TaggedError("LeaseLost") {}

export interface SessionOptions {
  readonly consumer: string
  readonly wants: (event: BoxOfficeEvent) => boolean
  readonly from: StartingPoint
  readonly pollMs: number
  readonly leaseMs: number
  /** Takes note of now; the effect succeeds once this node has committed something since. */
  readonly sinceNow: () => Effect.Effect<void>
}

/** An event that was handed out. */
export interface Handed {
  readonly id: string
  readonly aggregate: { readonly kind: string; readonly id: string }
  readonly event: BoxOfficeEvent
  readonly acknowledge: Effect.Effect<void>
}

export interface Session {
  /** The next events, waited for where there are none. */
  readonly pull: Effect.Effect<
    Array.NonEmptyReadonlyArray<Handed>,
    LeaseLost | EventsUnreadable | StoreUnavailable
  >
  /** Fails when the consumer is this one's no longer. */
  readonly lost: Effect.Effect<never, LeaseLost | StoreUnavailable>
  /** Saves the place and gives the lease back; what is pulled afterwards is nothing, for ever. */
  readonly close: Effect.Effect<void>
}

const batchesPerPage = 32
// A crash makes the events since the last save come again.
const savedAfterEvents = 500
const savedAfterMs = 1_000
const closingMs = 2_000

interface Pending {
  acknowledged: boolean
  /** Where the consumer stands with this one passed. */
  place: Place
}

/** Waits until the consumer is free, and holds it until the scope closes. */
export const openSession = Effect.fnUntraced(function* (
  outbox: Outbox,
  options: SessionOptions
): Effect.fn.Return<Session, ConsumerMisplaced | StoreUnavailable, Scope.Scope> {
  const { consumer, leaseMs } = options
  const owner = randomUUID()
  let place = yield* claim(outbox, options, owner)
  let durable = place
  let cursor = place.cursor
  let skip = place.position
  let since: string | undefined

  const pending = new Set<Pending>()
  let newest: Pending | undefined
  let unsaved = 0
  let savedAt = yield* Clock.currentTimeMillis
  const lost = yield* Deferred.make<never, LeaseLost | StoreUnavailable>()
  const oneAtATime = yield* Semaphore.make(1)

  let left = false
  /** Ends the stay. Nothing of it is saved that is not saved already. */
  const leave = Effect.suspend(() => {
    left = true
    pending.clear()
    place = durable
    return Deferred.fail(lost, new LeaseLost())
  })

  const save = (forMs: number) =>
    Effect.gen(function* () {
      unsaved = 0
      savedAt = yield* Clock.currentTimeMillis
      const saved = place
      const held = yield* outbox.save({ consumer, owner, place: saved, leaseMs: forMs, since })
      if (held === true) durable = saved
      else yield* leave
    }).pipe(
      // What cannot be saved now is saved later: until then the event is one that may come again.
      Effect.catch((error) => (error.retryable ? Effect.void : Deferred.fail(lost, error))),
      Semaphore.withPermit(oneAtATime),
      Effect.asVoid
    )

  const acknowledge = (entry: Pending) =>
    Effect.suspend(() => {
      if (left) return Effect.void
      entry.acknowledged = true
      for (const first of pending) {
        if (!first.acknowledged) break
        pending.delete(first)
        place = first.place
        unsaved++
      }
      if (unsaved === 0) return Effect.void
      return Effect.flatMap(Clock.currentTimeMillis, (now) =>
        unsaved >= savedAfterEvents || now - savedAt >= savedAfterMs ? save(leaseMs) : Effect.void
      )
    })

  /** What nobody asked for is passed together with what comes before it. */
  const pass = (beyond: Place) => {
    if (pending.size > 0) newest!.place = beyond
    else place = beyond
  }

  const handOut = (page: OutboxPage): Array<Handed> => {
    const handed: Array<Handed> = []
    let before = page.from
    for (const batch of page.batches) {
      const events = decode(batch)
      for (const [index, event] of events.entries()) {
        if (index < skip) continue
        const position = index + 1
        const beyond =
          position < events.length
            ? { cursor: before, position }
            : { cursor: batch.after, position: 0 }
        if (!options.wants(event)) {
          pass(beyond)
          continue
        }
        const entry: Pending = { acknowledged: false, place: beyond }
        pending.add(entry)
        newest = entry
        const [kind, id] = aggregateOf(event)
        handed.push({
          id: `${batch.batchId}-${position}`,
          aggregate: { kind, id },
          event,
          acknowledge: acknowledge(entry)
        })
      }
      skip = 0
      before = batch.after
    }
    // What was to be skipped is in the first batch, or in none.
    skip = 0
    pass({ cursor: page.next, position: 0 })
    cursor = page.next
    return handed
  }

  const next = Effect.gen(function* () {
    for (;;) {
      const committed = options.sinceNow()
      const page = yield* Effect.catch(outbox.read(cursor, batchesPerPage, since), (error) =>
        error.retryable
          ? Effect.as(Effect.sleep(options.pollMs), "interrupted" as const)
          : Effect.fail(error)
      )
      if (page === "interrupted") {
        yield* leave
        return yield* new LeaseLost()
      }
      since = page.at
      const handed = yield* Effect.try({ try: () => handOut(page), catch: unreadable })
      if (Array.isArrayNonEmpty(handed)) return handed
      if (page.more) continue
      if (unsaved > 0) yield* save(leaseMs)
      yield* Effect.raceFirst(committed, Effect.sleep(options.pollMs))
    }
  })

  let closed = false
  const close = Effect.suspend(() => {
    if (closed) return Effect.void
    closed = true
    // Whoever is closing something does not wait for a store that hangs: the lease ends by itself.
    return Effect.ignore(Effect.timeoutOption(Effect.interruptible(save(0)), closingMs))
  })
  yield* Effect.addFinalizer(() => close)
  const renew = Effect.delay(save(leaseMs), leaseMs / 3)
  yield* Effect.forkScoped(runInBackground("lease of events", 0, renew))

  return {
    pull: Effect.suspend(() =>
      closed ? Effect.never : Effect.raceFirst(next, Deferred.await(lost))
    ),
    lost: Deferred.await(lost),
    close
  }
})

const claim = (outbox: Outbox, { consumer, leaseMs, from }: SessionOptions, owner: string) =>
  Effect.gen(function* () {
    for (;;) {
      const claimed = yield* Effect.retry(
        outbox.claim({ consumer, owner, leaseMs, from }),
        patiently
      )
      if (claimed === "misplaced") return yield* new ConsumerMisplaced({ consumer })
      if (claimed !== "busy") return claimed
      yield* Effect.sleep(Math.min(1_000, leaseMs / 3))
    }
  })

/** A store that is away is waited for. */
const patiently = {
  while: (error: StoreUnavailable) => error.retryable,
  schedule: Schedule.jittered(
    Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("5 seconds")])
  )
}

const decode = (batch: {
  readonly batchId: bigint
  readonly version: number
  readonly events: string
}) => {
  try {
    return decodeEvents(batch.version, batch.events)
  } catch (cause) {
    throw new EventsUnreadable({ batchId: batch.batchId, cause })
  }
}

const unreadable = (error: unknown) => error as EventsUnreadable
