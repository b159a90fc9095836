/**
 * The queues as this node knows them, each read about once a second while anyone asks. There is no
 * timer: who asks first after a second has the queue read, for everyone. Where the reading shows
 * that somebody could be let in, that is done at once, by whichever node sees it first.
 */
import { Clock, Context, Effect, Layer } from "effect"
import { BoxOfficeStore } from "../../BoxOfficeStore.ts"
import type { Overloaded, StoreUnavailable } from "../../Errors.ts"
import { type Batcher, makeBatchers } from "../../engine/Batcher.ts"
import { BatchSettings } from "../../engine/Command.ts"
import { CommittedEvents } from "../../engine/CommittedEvents.ts"
import { makeSharedReads, msBetween } from "../../engine/SharedReads.ts"
import { HostTransaction } from "../../HostTransaction.ts"
import type { QueueId, TokenId } from "../../Ids.ts"
import { Policies } from "../../Policies.ts"
import type { QueueTokenPayload } from "../../token/format.ts"
import { type QueueCommand, runQueueBatch } from "../batch.ts"
import type { QueueRow, QueueTokenStatus, TokenRow } from "../model.ts"
import { LiveQueue } from "./LiveQueue.ts"
import { makeQueueMetrics } from "./metrics.ts"
import { Presence, presencePeriodSeconds } from "./presence.ts"

/** The most queues that a node keeps in mind. */
const queuesKept = 1_000
/** Batches in a row that one reading may lead to. */
const batchesMax = 100
/** How long a node that ends waits for the store. */
const closingMs = 2_000
/** How long a store that does not answer is waited for where there is an older answer. */
const patience = "500 millis"

interface Entry {
  readonly liveQueue: LiveQueue
  /** In nanoseconds, by a clock that is never set. */
  readBegunAt: bigint
  /** Tokens that this node has moved since: of these only the store knows. */
  readonly staleTokens: Set<TokenId>
  readonly presence: Presence
  presenceFlushedAt: bigint
}

type Faults = Overloaded | StoreUnavailable

/** @internal What the queue and the gate know of the lines. */
export class LiveQueues extends Context.Service<
  LiveQueues,
  {
    readonly submit: <A>(command: QueueCommand<A>) => Effect.Effect<A, Faults>
    /** A queue as it was read of late; `undefined` where there is none. Nobody is loaded with it. */
    readonly read: (queueId: QueueId) => Effect.Effect<QueueRow | undefined, Faults>
    /** See `LiveQueue.statusOf`, of a reading that is fresh, or the last while the store is away. */
    readonly freshStatus: (
      ticket: QueueTokenPayload
    ) => Effect.Effect<QueueTokenStatus | undefined, Faults>
    /** The same from memory, while that is fresh enough; `undefined` also where it is not. */
    readonly cachedStatus: (ticket: QueueTokenPayload) => QueueTokenStatus | undefined
    /** The same from memory, however old. */
    readonly lastKnownStatus: (ticket: QueueTokenPayload) => QueueTokenStatus | undefined
    /**
     * Asks nobody to come back before every node must have read the line anew: so a place never
     * rises for whoever comes when told to, whichever node they reach.
     */
    readonly withMinPollDelay: <Status extends QueueTokenStatus>(status: Status) => Status
    /** Somebody was found to have been let in. */
    readonly recordAdmission: (queueId: QueueId, tokenId: TokenId, admittedAt: number) => void
    /** Does what is due, with nobody asking. */
    readonly advance: (queueId: QueueId) => Effect.Effect<void, Faults>
  }
>()("@boxoffice/core/LiveQueues") {
  static readonly layer = Layer.effect(
    LiveQueues,
    Effect.gen(function* () {
      const store = yield* BoxOfficeStore
      const changes = yield* CommittedEvents
      const policies = yield* Policies
      const { queueFreshMs, awayMs } = policies
      const clock = yield* Clock.Clock
      const metrics = yield* makeQueueMetrics(changes)
      const known = new Map<QueueId, Entry>()

      const isNoted = ({ queueId, lane, number }: TokenRow): boolean =>
        known.get(queueId)?.presence.has(lane, number) ?? false

      const batches: Batcher<QueueCommand, unknown> = yield* makeBatchers({
        ...(yield* BatchSettings),
        keyOf: (command: QueueCommand) => command.queueId,
        rowKeyOf: ({ userId }: QueueCommand) => userId,
        run: (batch: ReadonlyArray<QueueCommand>) => runQueueBatch(store, policies, batch, isNoted)
      })
      const submit = <A>(command: QueueCommand<A>) =>
        batches.submit(command) as Effect.Effect<A, Faults>

      /** Reads on from what a view knows; `undefined` where there is no such queue. */
      const catchUp = Effect.fnUntraced(function* (queueId: QueueId, before?: LiveQueue) {
        let view = before
        for (;;) {
          const reading = yield* store.readQueue(queueId, view?.after ?? 0n)
          if (reading === undefined) return undefined
          view ??= new LiveQueue(reading)
          const isAll = view.absorb(reading)
          // Whatever else this node does goes on in between.
          while (!view.placeSome()) yield* Effect.yieldNow
          if (isAll) return view
          yield* Effect.yieldNow
        }
      })

      const read = Effect.fnUntraced(function* (queueId: QueueId) {
        const begunAt = clock.monotonicTimeNanosUnsafe()
        const before = known.get(queueId)
        const moved = new Set(before?.staleTokens)
        const view = yield* catchUp(queueId, before?.liveQueue)
        if (view === undefined) return undefined
        metrics.read(view)
        const line = before ?? {
          liveQueue: view,
          readBegunAt: begunAt,
          staleTokens: new Set<TokenId>(),
          presence: new Presence(),
          presenceFlushedAt: begunAt
        }
        line.readBegunAt = begunAt
        for (const tokenId of moved) line.staleTokens.delete(tokenId)
        // The one that was read last goes to the end, and the one at the front has to go.
        known.delete(queueId)
        known.set(queueId, line)
        if (known.size > queuesKept) yield* forget(known.keys().next().value!)
        return line
      })

      const forget = Effect.fnUntraced(function* (queueId: QueueId) {
        const line = known.get(queueId)!
        known.delete(queueId)
        yield* Effect.ignore(flushPresence(queueId, line))
      })

      /** Hands over who was there. Where that fails, it is kept for the next time. */
      const flushPresence = (queueId: QueueId, { liveQueue, presence }: Entry) =>
        Effect.suspend(() => {
          if (liveQueue.queue.settings.absenceSeconds === 0) return Effect.void
          const sightings = presence.take()
          if (sightings.length === 0) return Effect.void
          return Effect.onError(store.markSeen(queueId, sightings), () =>
            Effect.sync(() => presence.putBack(sightings))
          )
        })

      /**
       * Once a period. A node that cannot hand over does not read either: its polls go on from memory
       * for `awayMs` and then fail, so that nobody takes its answers for a place that is kept.
       */
      const flushPresenceIfDue = Effect.fnUntraced(function* (queueId: QueueId) {
        const line = known.get(queueId)
        const now = clock.monotonicTimeNanosUnsafe()
        if (line === undefined) return
        if (msBetween(line.presenceFlushedAt, now) < presencePeriodSeconds * 1_000) return
        yield* flushPresence(queueId, line)
        line.presenceFlushedAt = now
      })

      // Users of a node that ends go on on another one: what this one knows of them must not be lost.
      yield* Effect.addFinalizer(() =>
        Effect.forEach(known, ([queueId, line]) => Effect.ignore(flushPresence(queueId, line)), {
          concurrency: 4,
          discard: true
        }).pipe(Effect.timeoutOption(closingMs))
      )

      const admit = (queueId: QueueId, view: LiveQueue) =>
        submit<number>({
          queueId,
          plan: (names) => names.addHeads(queueId, view.heads()),
          decide: () => ({ onlineToken: undefined, reply: (moved) => moved })
        })

      /** Lets in whoever can be, and gives what is read after it. */
      const admitUntilIdle = Effect.fnUntraced(function* <
        A extends { readonly liveQueue: LiveQueue }
      >(
        queueId: QueueId,
        begun: A | undefined,
        read: Effect.Effect<A | undefined, StoreUnavailable>
      ) {
        let line = begun
        for (let batch = 0; line?.liveQueue.isDue && batch < batchesMax; batch++) {
          const decided = yield* admit(queueId, line.liveQueue)
          line = yield* read
          if (decided === 0) break
        }
        return line
      })

      const refresh = Effect.fnUntraced(function* (queueId: QueueId) {
        yield* flushPresenceIfDue(queueId)
        const line = yield* read(queueId)
        return yield* admitUntilIdle(queueId, line, read(queueId))
      })

      const reads = yield* makeSharedReads<QueueId, Entry | undefined>({
        read: (queueId) =>
          Effect.catchTag(refresh(queueId), "Overloaded", () => Effect.succeed(known.get(queueId))),
        maxAgeMs: queueFreshMs,
        keep: queuesKept
      })
      const ensureFresh = (queueId: QueueId) =>
        Effect.map(reads.read(queueId), ({ reading }) => reading)

      changes.listen((event) => {
        if (!("queueId" in event)) return
        if ("tokenId" in event) {
          // Who comes changes nobody's place, and who is seen again neither.
          if (event._tag === "QueueTokenIssued" || event._tag === "QueueTokenExtended") return
          known.get(event.queueId)?.staleTokens.add(event.tokenId)
          // Who was inside has no place in line: there may be room now, which the next reading shows.
          if (event._tag === "QueueTokenCompleted") return
        }
        reads.invalidate(event.queueId)
      })

      const leastSeconds = Math.ceil(queueFreshMs / 1_000)
      const withMinPollDelay = <Status extends QueueTokenStatus>(status: Status): Status =>
        status.pollAfterSeconds < leastSeconds
          ? { ...status, pollAfterSeconds: leastSeconds }
          : status
      const statusIn = (line: Entry, ticket: QueueTokenPayload) => {
        const status = line.staleTokens.has(ticket.tokenId)
          ? undefined
          : line.liveQueue.statusOf(ticket)
        return status && withMinPollDelay(status)
      }
      const lastKnownStatus = (ticket: QueueTokenPayload) => {
        const line = known.get(ticket.queueId)
        return line && statusIn(line, ticket)
      }
      /** Whoever is told that they wait is there to hear it. */
      const statusAndMarkPresent = (line: Entry, ticket: QueueTokenPayload) => {
        const status = statusIn(line, ticket)
        if (status?.state === "waiting") {
          line.presence.mark(ticket)
          metrics.told(ticket.tokenId, status)
        }
        return status
      }
      const ageMs = (line: Entry): number =>
        msBetween(line.readBegunAt, clock.monotonicTimeNanosUnsafe())

      /** Reads a queue unless it was just read; the last reading will do while the store is away. */
      const ensureKnown = (queueId: QueueId): Effect.Effect<Entry | undefined, Faults> =>
        Effect.suspend(() => {
          const fresh = ensureFresh(queueId)
          const before = known.get(queueId)
          return before === undefined || ageMs(before) >= awayMs
            ? fresh
            : Effect.timeout(fresh, patience).pipe(Effect.catch(() => Effect.succeed(before)))
        })

      /**
       * A host's transaction sees what may never be so: what is read there is of use there alone,
       * and nothing of it may come into what this node knows.
       */
      const isInside = Effect.map(HostTransaction, (transaction) => transaction !== undefined)

      const freshStatus = Effect.fnUntraced(function* (ticket: QueueTokenPayload) {
        const { queueId } = ticket
        if (yield* isInside) {
          const status = (yield* catchUp(queueId))?.statusOf(ticket)
          return status && withMinPollDelay(status)
        }
        const line = yield* ensureKnown(queueId)
        if (line === undefined) return undefined
        if (!isNewer(ticket, line.liveQueue)) return statusAndMarkPresent(line, ticket)
        // Who came since the queue was read is not in the reading yet.
        reads.invalidate(queueId)
        const next = yield* ensureFresh(queueId)
        return next && statusAndMarkPresent(next, ticket)
      })

      const readQueue = Effect.fnUntraced(function* (queueId: QueueId) {
        if (yield* isInside) return (yield* catchUp(queueId))?.queue
        return (yield* ensureKnown(queueId))?.liveQueue.queue
      })

      const advance = Effect.fnUntraced(function* (queueId: QueueId) {
        if (yield* isInside) {
          const once = Effect.map(catchUp(queueId), (liveQueue) => liveQueue && { liveQueue })
          yield* admitUntilIdle(queueId, yield* once, once)
          return
        }
        reads.invalidate(queueId)
        yield* ensureFresh(queueId)
      })

      return LiveQueues.of({
        submit,
        read: readQueue,
        freshStatus,
        lastKnownStatus,
        withMinPollDelay,
        recordAdmission: metrics.cameIn,
        cachedStatus: (ticket) => {
          const line = known.get(ticket.queueId)
          return line && ageMs(line) < queueFreshMs ? statusAndMarkPresent(line, ticket) : undefined
        },
        advance
      })
    })
  )
}

const isNewer = ({ place }: QueueTokenPayload, view: LiveQueue): boolean => {
  if (place === undefined) return false
  const line = place.lane === "general" ? view.queue : view.queue.priority
  return place.number >= line.nextNumber
}
