/**
 * The event feed: named consumers read the outbox, each from its own cursor. Events come at least
 * once, and in order within each aggregate: see `docs/events.md`.
 *
 * Holds: the open sessions of this node (see `events/session.ts`), from `open` until their scope
 * closes or the feed shuts down; then they save their bookmarks and give their leases back. Once the
 * feed is closed, `open` fails and running streams end. Also, for as long as the feed is open, the owner
 * of each consumer's last session that ended on this node.
 */
import {
  type Array,
  Context,
  Deferred,
  Effect,
  Layer,
  Schedule,
  Schema,
  type Scope,
  Stream
} from "effect"
import { BoxOfficeStore } from "./BoxOfficeStore.ts"
import type { RequestInvalid, StoreUnavailable } from "./Errors.ts"
import type { BoxOfficeEvent } from "./Events.ts"
import { CommittedEvents, layerCommittedEvents } from "./engine/CommittedEvents.ts"
import { engineClosed } from "./engine/engineClosed.ts"
import { checkInput } from "./engine/input.ts"
import { EventJson } from "./events/codec.ts"
import type { ConsumerMisplaced, EventsUnreadable } from "./events/errors.ts"
import type { ConsumerStatus, StartingPoint } from "./events/Outbox.ts"
import { LeaseLost, openSession, type Session } from "./events/session.ts"

/** The tag of a kind of event, such as `ReservationPaid`. */
export const EventType = Schema.Literals(
  EventJson.members.map((member) => member.fields._tag.schema.literal)
)
export type EventType = BoxOfficeEvent["_tag"]

type EventsByType = { readonly [Event in BoxOfficeEvent as Event["_tag"]]: Event }

/** An event as a consumer gets it. */
export interface RecordedEvent<Type extends EventType = EventType> {
  /**
   * The same each time that the event comes, so that a consumer can recognise what it has handled.
   */
  readonly id: string
  /** A consumer gets the events of one aggregate in order. */
  readonly aggregate: { readonly kind: string; readonly id: string }
  readonly event: EventsByType[Type]
}

/** An event that waits to be acknowledged. */
export interface Delivery<Type extends EventType = EventType> extends RecordedEvent<Type> {
  /**
   * Marks the event as handled. The consumer's cursor passes it once all events before it are
   * acknowledged, too. The cursor is saved within a second or 500 events; after a crash, the events
   * since the last save come again.
   */
  readonly acknowledge: Effect.Effect<void>
}

export interface ConsumeOptions<Type extends EventType = EventType> {
  /** The kinds of events to hand out; the consumer passes all others. Default: all kinds. */
  readonly types?: ReadonlyArray<Type> | undefined
  /** Where a new consumer begins. Default `beginning`: with the oldest event kept. */
  readonly from?: StartingPoint | undefined
  /**
   * How often to poll for events that other nodes have committed, in milliseconds, 10 or more.
   * Events of this node come at once. Default 250.
   */
  readonly pollMs?: number | undefined
  /**
   * How long the lease of the consumer lasts, in milliseconds, 1,000 or more: if the node dies,
   * another one can take over after that time. The session renews it three times per `leaseMs`.
   * Default 30,000.
   */
  readonly leaseMs?: number | undefined
}

/** A session of a consumer at the outbox, which holds the consumer's lease. */
export interface ConsumerSession<Type extends EventType = EventType> {
  /** The next events. Waits until there are some. */
  readonly pull: Effect.Effect<
    Array.NonEmptyReadonlyArray<Delivery<Type>>,
    LeaseLost | EventsUnreadable | StoreUnavailable
  >
  /** Fails once the session has lost the consumer's lease. */
  readonly lost: Effect.Effect<never, LeaseLost | StoreUnavailable>
}

export type ConsumeError = RequestInvalid | ConsumerMisplaced | EventsUnreadable | StoreUnavailable

/** The events of all committed batches, for named consumers. */
export class EventFeed extends Context.Service<
  EventFeed,
  {
    /**
     * The events after the consumer's cursor, and then new ones as they are committed. Never ends
     * by itself. Only one stream of all nodes reads as a consumer at a time; the others wait until
     * it ends.
     */
    readonly consume: <Type extends EventType = EventType>(
      consumer: string,
      options?: ConsumeOptions<Type>
    ) => Stream.Stream<Delivery<Type>, ConsumeError>
    /**
     * Calls a function with one event after the other, and acknowledges each when the function
     * succeeds. If the function fails, this fails with the same error, and the event comes again.
     */
    readonly forEach: <Type extends EventType = EventType, E = never, R = never>(
      consumer: string,
      handle: (recorded: RecordedEvent<Type>) => Effect.Effect<unknown, E, R>,
      options?: ConsumeOptions<Type>
    ) => Effect.Effect<void, ConsumeError | E, R>
    /**
     * Opens one session, which `consume` is built on: for a program that does more than consume
     * while it holds the lease. The session ends with its scope, or with `LeaseLost` when another
     * owner takes the lease.
     */
    readonly open: <Type extends EventType = EventType>(
      consumer: string,
      options?: ConsumeOptions<Type>
    ) => Effect.Effect<ConsumerSession<Type>, ConsumeError, Scope.Scope>
    /** All consumers. */
    readonly consumers: () => Effect.Effect<ReadonlyArray<ConsumerStatus>, StoreUnavailable>
    /** Sets a consumer's cursor to the oldest event kept, or after the newest. False if unknown. */
    readonly reset: (
      consumer: string,
      to: StartingPoint
    ) => Effect.Effect<boolean, RequestInvalid | StoreUnavailable>
    /**
     * After a dump was restored or the server was upgraded: gives every misplaced consumer a cursor
     * from which it misses no event and gets some again. Succeeds with their names.
     */
    readonly recover: () => Effect.Effect<ReadonlyArray<string>, StoreUnavailable>
    /** Deletes a consumer, so that no events are kept for it. False if unknown. */
    readonly remove: (consumer: string) => Effect.Effect<boolean, RequestInvalid | StoreUnavailable>
    /**
     * Deletes the batches of events that are older than `olderThanMs` and that every consumer has
     * passed, up to 1,000 batches per transaction. Succeeds with the number of batches.
     */
    readonly prune: (options: {
      readonly olderThanMs: number
    }) => Effect.Effect<number, RequestInvalid | StoreUnavailable>
  }
>()("@boxoffice/core/EventFeed") {
  /** The feed without the engine, for a process that only consumes events. */
  static readonly layerAlone: Layer.Layer<EventFeed, never, BoxOfficeStore> = Layer.suspend(() =>
    EventFeed.layer.pipe(Layer.provide(layerCommittedEvents))
  )

  static readonly layer = Layer.effect(
    EventFeed,
    Effect.gen(function* () {
      const { outbox } = yield* BoxOfficeStore
      const sinceNow = commitsOf(yield* CommittedEvents)
      const sessions = new Set<Session>()
      const ended = new Map<string, string>()
      const closed = yield* Deferred.make<void>()
      // Runs before the store closes, so that the next consumer need not wait for the leases to run
      // out.
      yield* Effect.addFinalizer(() =>
        Effect.andThen(
          Effect.forEach(sessions, (session) => session.close, { discard: true }),
          Deferred.succeed(closed, undefined)
        )
      )

      const open = Effect.fnUntraced(function* <Type extends EventType>(
        consumer: string,
        options: ConsumeOptions<Type> = {}
      ) {
        const checked = yield* checkConsume({ ...options, consumer })
        if (Deferred.isDoneUnsafe(closed)) return yield* engineClosed
        const types = checked.types && new Set<string>(checked.types)
        const session = yield* openSession(outbox, {
          consumer,
          wants: (event) => types === undefined || types.has(event._tag),
          from: checked.from ?? "beginning",
          pollMs: checked.pollMs ?? 250,
          leaseMs: checked.leaseMs ?? 30_000,
          ended,
          sinceNow
        })
        yield* Effect.acquireRelease(
          Effect.sync(() => sessions.add(session)),
          () => Effect.sync(() => sessions.delete(session))
        )
        // The session hands out only events of the given types.
        return session as unknown as ConsumerSession<Type>
      })

      const consume = <Type extends EventType>(
        consumer: string,
        options?: ConsumeOptions<Type>
      ): Stream.Stream<Delivery<Type>, ConsumeError> =>
        Stream.fromPull(Effect.map(open(consumer, options), ({ pull }) => pull)).pipe(
          Stream.scoped,
          // Another owner took the lease: open a new session, which waits until the lease is free.
          Stream.retry(Schedule.while(Schedule.forever, isLeaseLost)),
          Stream.interruptWhen(Deferred.await(closed)),
          (stream) => stream as Stream.Stream<Delivery<Type>, Exclude<ConsumeError, LeaseLost>>
        )

      return EventFeed.of({
        open,
        consume,
        forEach: (consumer, handle, options) =>
          Stream.runForEach(consume(consumer, options), ({ acknowledge, ...recorded }) =>
            Effect.andThen(handle(recorded), acknowledge)
          ),
        consumers: () => outbox.consumers,
        reset: Effect.fn("EventFeed.reset")(function* (consumer, to) {
          yield* checkReset({ consumer, to })
          return yield* outbox.reset(consumer, to)
        }),
        recover: () => outbox.recover,
        remove: Effect.fn("EventFeed.remove")(function* (consumer) {
          yield* checkConsumer({ consumer })
          return yield* outbox.remove(consumer)
        }),
        prune: Effect.fn("EventFeed.prune")(function* (options) {
          const { olderThanMs } = yield* checkPrune(options)
          let total = 0
          for (;;) {
            const deleted = yield* outbox.prune(olderThanMs, batchesPerPrune)
            total += deleted
            if (deleted === 0) return total
          }
        })
      })
    })
  )
}

const batchesPerPrune = 1_000

const isLeaseLost = ({ input }: { readonly input: unknown }): boolean => input instanceof LeaseLost

/** Wakes the sessions that wait for this node's next commit. */
const commitsOf = (changes: CommittedEvents["Service"]) => {
  let commits = 0
  const waiting = new Set<() => void>()
  changes.listen(() => {
    commits++
    // A session that wakes may wait again before the loop ends, as over a store that answers at once.
    const woken = [...waiting]
    waiting.clear()
    for (const wake of woken) wake()
  })
  return (): Effect.Effect<void> => {
    const commitsBefore = commits
    return Effect.callback((resume) => {
      const wake = () => resume(Effect.void)
      if (commits !== commitsBefore) return wake()
      waiting.add(wake)
      return Effect.sync(() => waiting.delete(wake))
    })
  }
}

/** 1 to 64 characters of letters, digits, `_ . : -`. */
const ConsumerName = Schema.String.check(
  Schema.isPattern(/^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$/, {
    expected: "1 to 64 letters, digits and _ . : -, of which the first is a letter or digit"
  })
)
const From = Schema.Literals(["beginning", "now"])
const day = 86_400_000

const checkConsumer = checkInput(Schema.Struct({ consumer: ConsumerName }))
const checkReset = checkInput(Schema.Struct({ consumer: ConsumerName, to: From }))
const checkPrune = checkInput(
  Schema.Struct({
    olderThanMs: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 10_000 * day }))
  })
)
const checkConsume = checkInput(
  Schema.Struct({
    consumer: ConsumerName,
    types: Schema.optional(Schema.Array(EventType)),
    from: Schema.optional(From),
    pollMs: Schema.optional(Schema.Int.check(Schema.isBetween({ minimum: 10, maximum: day }))),
    leaseMs: Schema.optional(Schema.Int.check(Schema.isBetween({ minimum: 1_000, maximum: day })))
  })
)
