/**
 * A session of a consumer at the outbox: it holds the lease, reads pages, hands out events and
 * moves the consumer's cursor.
 *
 *     take the lease ─▶ read a page ─▶ hand out ─▶ acknowledged? ─▶ move and save the cursor
 *
 * Holds: the bookmark up to which all events are acknowledged, the events that were handed out and are
 * not acknowledged yet, and the cursor of the next read. The bookmark never passes an event that is
 * not acknowledged. It is saved after 500 events or one second, whichever comes first; every save
 * renews the lease, and a timer renews it three times per `leaseMs`.
 *
 * States:
 * - waiting: another owner has the lease. The session tries again until it is free. The lease of a
 *   session that ended on this node counts as free: while the store was away, that session could not
 *   give it back.
 * - open: it reads and hands out events.
 * - lost: another owner took the lease, a read failed, or the store reported an interruption.
 *   Nothing more is saved, and the consumer needs a new session, which begins at the saved bookmark. A
 *   bookmark that is only in memory cannot be trusted then: after a crash of the database it may count
 *   other batches by the same numbers.
 * - closed: the bookmark was saved and the lease given back, unless the store was away. The session hands
 *   out nothing more, and saves nothing more.
 *
 * Each session is an owner of its own. So whatever an earlier session of this node has sent to the store
 * finds another owner there once the next session has the lease.
 */
import { randomUUID } from "node:crypto"
import { Array, Clock, Data, Deferred, Effect, Schedule, type Scope, Semaphore } from "effect"
import type { StoreUnavailable } from "../Errors.ts"
import { aggregateOf, type BoxOfficeEvent } from "../Events.ts"
import { runInBackground } from "../engine/backgroundLoop.ts"
import { decodeEvents } from "./codec.ts"
import { ConsumerMisplaced, EventsUnreadable } from "./errors.ts"
import type { Bookmark, Outbox, OutboxPage, StartingPoint } from "./Outbox.ts"

/**
 * Another owner has the lease now, or the database may have crashed: the consumer needs a new
 * session.
 */
export class LeaseLost extends Data.TaggedError("LeaseLost") {}

export interface SessionOptions {
  readonly consumer: string
  readonly wants: (event: BoxOfficeEvent) => boolean
  readonly from: StartingPoint
  readonly pollMs: number
  readonly leaseMs: number
  /** The owner of each consumer's last session that ended on this node. A session adds itself. */
  readonly ended: Map<string, string>
  /** Marks the current instant; the effect succeeds once this node has committed events since. */
  readonly sinceNow: () => Effect.Effect<void>
}

/** An event that was handed out, with the effect that acknowledges it. */
export interface Handed {
  readonly id: string
  readonly aggregate: { readonly kind: string; readonly id: string }
  readonly event: BoxOfficeEvent
  readonly acknowledge: Effect.Effect<void>
}

export interface Session {
  /** The next events. Waits until there are some. */
  readonly pull: Effect.Effect<
    Array.NonEmptyReadonlyArray<Handed>,
    LeaseLost | EventsUnreadable | StoreUnavailable
  >
  /** Fails once the session has lost its lease. */
  readonly lost: Effect.Effect<never, LeaseLost | StoreUnavailable>
  /** Saves the bookmark and gives the lease back. A `pull` afterwards never ends. */
  readonly close: Effect.Effect<void>
}

const batchesPerPage = 32
// After a crash, the events since the last save come again, so these bound their number.
const savedAfterEvents = 500
const savedAfterMs = 1_000
const closingMs = 2_000

interface Pending {
  acknowledged: boolean
  /** The bookmark of a consumer that has passed this event. */
  bookmark: Bookmark
}

/** Waits until the lease is free, and holds it until the scope closes. */
export const openSession = Effect.fnUntraced(function* (
  outbox: Outbox,
  options: SessionOptions
): Effect.fn.Return<Session, ConsumerMisplaced | StoreUnavailable, Scope.Scope> {
  const { consumer, leaseMs, ended } = options
  const owner = randomUUID()
  let bookmark = yield* waitForLease(outbox, options, owner)
  let durable = bookmark
  let cursor = bookmark.cursor
  let skip = bookmark.position
  let since: string | undefined

  const pending = new Set<Pending>()
  let newest: Pending | undefined
  let unsaved = 0
  let savedAt = yield* Clock.currentTimeMillis
  const lost = yield* Deferred.make<never, LeaseLost | StoreUnavailable>()
  const oneAtATime = yield* Semaphore.make(1)

  let isLost = false
  let closed = false
  /** Ends the session as lost: it saves nothing more. */
  const endAsLost = Effect.suspend(() => {
    isLost = true
    pending.clear()
    bookmark = durable
    return Deferred.fail(lost, new LeaseLost())
  })

  const save = (forMs: number) =>
    Effect.gen(function* () {
      // An event that is acknowledged too late must not take the lease again.
      // Guard lease-given-back: without it, events.test "takes no lease" fails.
      if (closed && forMs > 0) return
      unsaved = 0
      savedAt = yield* Clock.currentTimeMillis
      const saved = bookmark
      const held = yield* outbox.save({ consumer, owner, bookmark: saved, leaseMs: forMs, since })
      if (held === true) durable = saved
      else yield* endAsLost
    }).pipe(
      // If the store is down, a later save includes this one. Until then these events may come
      // again.
      Effect.catch((error) => (error.retryable ? Effect.void : Deferred.fail(lost, error))),
      Semaphore.withPermit(oneAtATime),
      Effect.asVoid
    )

  const acknowledge = (entry: Pending) =>
    Effect.suspend(() => {
      if (isLost) return Effect.void
      entry.acknowledged = true
      for (const first of pending) {
        // Guard events-in-order: without it, conformance.test "before earlier ones" fails.
        if (!first.acknowledged) break
        pending.delete(first)
        bookmark = first.bookmark
        unsaved++
      }
      if (unsaved === 0) return Effect.void
      return Effect.flatMap(Clock.currentTimeMillis, (now) =>
        unsaved >= savedAfterEvents || now - savedAt >= savedAfterMs ? save(leaseMs) : Effect.void
      )
    })

  /** An event that the consumer does not want is passed together with the event before it. */
  const pass = (beyond: Bookmark) => {
    if (pending.size > 0) newest!.bookmark = beyond
    else bookmark = beyond
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
        const entry: Pending = { acknowledged: false, bookmark: beyond }
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
    // Only events of the first batch can be skipped; an empty page has none.
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
        yield* endAsLost
        return yield* new LeaseLost()
      }
      since = page.at
      // Guard session-closed: without it, events.test "hands out nothing more" fails.
      if (closed) return yield* Effect.never
      const handed = yield* Effect.try({ try: () => handOut(page), catch: unreadable })
      if (Array.isArrayNonEmpty(handed)) return handed
      if (page.more) continue
      if (unsaved > 0) yield* save(leaseMs)
      yield* Effect.raceFirst(committed, Effect.sleep(options.pollMs))
    }
  })

  const close = Effect.suspend(() => {
    if (closed) return Effect.void
    closed = true
    // Closing does not wait longer for a store that hangs: the lease runs out by itself, or the next
    // session of this node takes it.
    // Guard lease-left: with "Effect.void" for "Effect.sync(() => ended.set(consumer, owner))", events.test "takes its own lease" fails.
    return Effect.ensuring(
      Effect.ignore(Effect.timeoutOption(Effect.interruptible(save(0)), closingMs)),
      Effect.sync(() => ended.set(consumer, owner))
    )
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

/** Takes the lease of a consumer, once it is free. Succeeds with the saved bookmark. */
const waitForLease = (
  outbox: Outbox,
  { consumer, leaseMs, from, ended }: SessionOptions,
  owner: string
) =>
  Effect.gen(function* () {
    for (;;) {
      const replaces = ended.get(consumer)
      const taken = outbox.takeLease({ consumer, owner, replaces, leaseMs, from })
      const bookmark = yield* Effect.retry(taken, whileStoreDown)
      if (bookmark === "misplaced") return yield* new ConsumerMisplaced({ consumer })
      if (bookmark !== "busy") return bookmark
      yield* Effect.sleep(Math.min(1_000, leaseMs / 3))
    }
  })

/** Retries for as long as the store is down. */
const whileStoreDown = {
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
