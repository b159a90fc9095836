/**
 * What has happened, for whoever wants to know: named consumers that read the outbox, each from
 * where it stopped. At least once, and in order for each aggregate: see `docs/events.md`.
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
import { type RequestInvalid, StoreUnavailable } from "./Errors.ts"
import type { BoxOfficeEvent } from "./Events.ts"
import { CommittedEvents, layerCommittedEvents } from "./engine/CommittedEvents.ts"
import { checkInput } from "./engine/input.ts"
import { EventJson } from "./events/codec.ts"
import type { ConsumerMisplaced, EventsUnreadable } from "./events/errors.ts"
import type { ConsumerStatus, StartingPoint } from "./events/Outbox.ts"
import { LeaseLost, openSession, type Session } from "./events/session.ts"

/** The name of a kind of event, such as `ReservationPaid`. */
export const EventType = Schema.Literals(
  EventJson.members.map((member) => member.fields._tag.schema.literal)
)
export type EventType = BoxOfficeEvent["_tag"]

type EventsByType = { readonly [Event in BoxOfficeEvent as Event["_tag"]]: Event }

/** An event with what a consumer needs to know of it. */
export interface RecordedEvent<Type extends EventType = EventType> {
  /** The same each time that the event comes: what was handled is told by it. */
  readonly id: string
  /** The events of one aggregate come in order. */
  readonly aggregate: { readonly kind: string; readonly id: string }
  readonly event: EventsByType[Type]
}

/** An event that waits to be acknowledged. */
export interface Delivery<Type extends EventType = EventType> extends RecordedEvent<Type> {
  /**
   * The event was handled. The consumer's place moves on when those before it are acknowledged as
   * well; it is saved within a second and 500 events, and what was not saved before a crash comes
   * again.
   */
  readonly acknowledge: Effect.Effect<void>
}

export interface ConsumeOptions<Type extends EventType = EventType> {
  /** The kinds of events to hand out; the others count as passed. Default: all. */
  readonly types?: ReadonlyArray<Type> | undefined
  /** Where a consumer begins that is new. Default `beginning`: with the oldest event kept. */
  readonly from?: StartingPoint | undefined
  /**
   * How often to look for what other nodes have committed, in milliseconds, 10 or more. What this
   * node commits is seen at once. Default 250.
   */
  readonly pollMs?: number | undefined
  /**
   * For how long a consumer is kept for a node that is not heard of, in milliseconds, 1,000 or
   * more. Default 30,000. It is renewed three times as often.
   */
  readonly leaseMs?: number | undefined
}

/** One stay of a consumer at the outbox. */
export interface ConsumerSession<Type extends EventType = EventType> {
  /** The next events, waited for where there are none. */
  readonly pull: Effect.Effect<
    Array.NonEmptyReadonlyArray<Delivery<Type>>,
    LeaseLost | EventsUnreadable | StoreUnavailable
  >
  /** Fails when the consumer is this one's no longer. */
  readonly lost: Effect.Effect<never, LeaseLost | StoreUnavailable>
}

export type ConsumeError = RequestInvalid | ConsumerMisplaced | EventsUnreadable | StoreUnavailable

export class EventFeed extends Context.Service<
  EventFeed,
  {
    /**
     * The events behind the consumer's place, and then those that happen. Never ends by itself.
     * One stream at a time reads as a consumer, on whichever node; others wait for it to end.
     */
    readonly consume: <Type extends EventType = EventType>(
      consumer: string,
      options?: ConsumeOptions<Type>
    ) => Stream.Stream<Delivery<Type>, ConsumeError>
    /**
     * Hands one event after the other to a function, and acknowledges it when that succeeds. Fails
     * with what the function fails with: the event comes again.
     */
    readonly forEach: <Type extends EventType = EventType, E = never, R = never>(
      consumer: string,
      handle: (recorded: RecordedEvent<Type>) => Effect.Effect<unknown, E, R>,
      options?: ConsumeOptions<Type>
    ) => Effect.Effect<void, ConsumeError | E, R>
    /**
     * What `consume` is made of, for a runner that does more than consume while it has the
     * consumer: one stay, which ends with `LeaseLost` when another has it, or with the scope.
     */
    readonly open: <Type extends EventType = EventType>(
      consumer: string,
      options?: ConsumeOptions<Type>
    ) => Effect.Effect<ConsumerSession<Type>, ConsumeError, Scope.Scope>
    /** All consumers that there are. */
    readonly consumers: () => Effect.Effect<ReadonlyArray<ConsumerStatus>, StoreUnavailable>
    /** Sets a consumer to the beginning, or behind all that has happened. False if unknown. */
    readonly reset: (
      consumer: string,
      to: StartingPoint
    ) => Effect.Effect<boolean, RequestInvalid | StoreUnavailable>
    /**
     * After a dump was restored, or the server upgraded: finds every misplaced consumer a place at
     * which it misses nothing, and sees some events again. Succeeds with their names.
     */
    readonly recover: () => Effect.Effect<ReadonlyArray<string>, StoreUnavailable>
    /** Forgets a consumer, so that events need not be kept for it. False if unknown. */
    readonly remove: (consumer: string) => Effect.Effect<boolean, RequestInvalid | StoreUnavailable>
    /**
     * Deletes events that are older than this and that every consumer has passed, 1,000 batches a
     * transaction. Succeeds with the number of batches.
     */
    readonly prune: (options: {
      readonly olderThanMs: number
    }) => Effect.Effect<number, RequestInvalid | StoreUnavailable>
  }
>()("@boxoffice/core/EventFeed") {
  /** The feed without the engine, for a process that does nothing but consume. */
  static readonly layerAlone: Layer.Layer<EventFeed, never, BoxOfficeStore> = Layer.suspend(() =>
    EventFeed.layer.pipe(Layer.provide(layerCommittedEvents))
  )

  static readonly layer = Layer.effect(
    EventFeed,
    Effect.gen(function* () {
      const { outbox } = yield* BoxOfficeStore
      const sinceNow = commitsOf(yield* CommittedEvents)
      const sessions = new Set<Session>()
      const closed = yield* Deferred.make<void>()
      // While the store is still there, so that the next one need not wait for the lease to end.
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
        if (Deferred.isDoneUnsafe(closed)) return yield* feedClosed
        const types = checked.types && new Set<string>(checked.types)
        const session = yield* openSession(outbox, {
          consumer,
          wants: (event) => types === undefined || types.has(event._tag),
          from: checked.from ?? "beginning",
          pollMs: checked.pollMs ?? 250,
          leaseMs: checked.leaseMs ?? 30_000,
          sinceNow
        })
        yield* Effect.acquireRelease(
          Effect.sync(() => sessions.add(session)),
          () => Effect.sync(() => sessions.delete(session))
        )
        // Nothing but the types that were asked for is handed out.
        return session as unknown as ConsumerSession<Type>
      })

      const consume = <Type extends EventType>(
        consumer: string,
        options?: ConsumeOptions<Type>
      ): Stream.Stream<Delivery<Type>, ConsumeError> =>
        Stream.fromPull(Effect.map(open(consumer, options), ({ pull }) => pull)).pipe(
          Stream.scoped,
          // Another has the consumer: wait until it is free again.
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

const feedClosed = new StoreUnavailable({ retryable: false, cause: "The engine is closed." })

const batchesPerPrune = 1_000

const isLeaseLost = ({ input }: { readonly input: unknown }): boolean => input instanceof LeaseLost

/** Wakes who waits for this node's next commit. */
const commitsOf = (changes: CommittedEvents["Service"]) => {
  let commits = 0
  const waiting = new Set<() => void>()
  changes.listen(() => {
    commits++
    for (const wake of waiting) wake()
    waiting.clear()
  })
  return (): Effect.Effect<void> => {
    const seen = commits
    return Effect.callback((resume) => {
      const wake = () => resume(Effect.void)
      if (commits !== seen) return wake()
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
