/**
 * The queues as this node knows them, each read about once a second while anyone asks. There is no
 * timer: who asks first after a second has the queue read, for everyone. Where the reading shows
 * that somebody could be let in, that is done at once, by whichever node sees it first.
 */
import { Clock, Context, Effect, Fiber, Layer, Semaphore } from "effect"
import { BoxOfficeStore } from "../../BoxOfficeStore.ts"
import type { Overloaded, StoreUnavailable } from "../../Errors.ts"
import { type Batcher, makeBatchers } from "../../engine/Batcher.ts"
import { BatchSettings, rowLocksOf } from "../../engine/Command.ts"
import { CommittedEvents } from "../../engine/CommittedEvents.ts"
import { makeSharedReads, msBetween } from "../../engine/SharedReads.ts"
import { HostTransaction } from "../../HostTransaction.ts"
import type { QueueId, TokenId } from "../../Ids.ts"
import { Policies } from "../../Policies.ts"
import type { QueueTokenPayload } from "../../token/format.ts"
import { planQueueBatch, type QueueCommand, runQueueBatch } from "../batch.ts"
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
      payload: QueueTokenPayload
    ) => Effect.Effect<QueueTokenStatus | undefined, Faults>
    /** The same from memory, while that is fresh enough; `undefined` also where it is not. */
    readonly cachedStatus: (payload: QueueTokenPayload) => QueueTokenStatus | undefined
    /** The same from memory, however old. */
    readonly lastKnownStatus: (payload: QueueTokenPayload) => QueueTokenStatus | undefined
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
      const { queueMaxAgeMs, staleIfStoreDownMs } = policies
      const clock = yield* Clock.Clock
      const metrics = yield* makeQueueMetrics(changes)
      const entries = new Map<QueueId, Entry>()
      const turns = new Map<QueueId, Semaphore.Semaphore>()
      /** Queues that this node is admitting to, one run each at a time. */
      const admitting = new Map<QueueId, Fiber.Fiber<unknown>>()
      const scope = yield* Effect.scope

      const isNoted = ({ queueId, lane, number }: TokenRow): boolean =>
        entries.get(queueId)?.presence.has(lane, number) ?? false

      const batcher: Batcher<QueueCommand, unknown> = yield* makeBatchers({
        ...(yield* BatchSettings),
        keyOf: (command: QueueCommand) => command.queueId,
        locks: rowLocksOf(store, planQueueBatch),
        run: (batch: ReadonlyArray<QueueCommand>) => runQueueBatch(store, policies, batch, isNoted)
      })
      const submit = <A>(command: QueueCommand<A>) =>
        batcher.submit(command) as Effect.Effect<A, Faults>

      /** Reads on from what a view knows; `undefined` where there is no such queue. */
      const catchUp = Effect.fnUntraced(function* (queueId: QueueId, before?: LiveQueue) {
        let liveQueue = before
        for (;;) {
          const reading = yield* store.readQueue(queueId, liveQueue?.after ?? 0n)
          if (reading === undefined) return undefined
          liveQueue ??= new LiveQueue(reading)
          const isAll = liveQueue.absorb(reading)
          // Whatever else this node does goes on in between.
          while (!liveQueue.placeSome()) yield* Effect.yieldNow
          if (isAll) return liveQueue
          yield* Effect.yieldNow
        }
      })

      /** One reading of a queue at a time: each continues from the departures of the one before. */
      const read = (queueId: QueueId) =>
        Effect.suspend(() => {
          const turn = turns.get(queueId) ?? Semaphore.makeUnsafe(1)
          turns.set(queueId, turn)
          return Semaphore.withPermit(turn, readNow(queueId))
        })

      const readNow = Effect.fnUntraced(function* (queueId: QueueId) {
        const begunAt = clock.monotonicTimeNanosUnsafe()
        const before = entries.get(queueId)
        const moved = new Set(before?.staleTokens)
        const liveQueue = yield* catchUp(queueId, before?.liveQueue)
        if (liveQueue === undefined) return undefined
        metrics.read(liveQueue)
        const entry = before ?? {
          liveQueue,
          readBegunAt: begunAt,
          staleTokens: new Set<TokenId>(),
          presence: new Presence(),
          presenceFlushedAt: begunAt
        }
        entry.readBegunAt = begunAt
        for (const tokenId of moved) entry.staleTokens.delete(tokenId)
        // The one that was read last goes to the end, and the one at the front has to go.
        entries.delete(queueId)
        entries.set(queueId, entry)
        if (entries.size > queuesKept) yield* forget(entries.keys().next().value!)
        return entry
      })

      const forget = Effect.fnUntraced(function* (queueId: QueueId) {
        const entry = entries.get(queueId)!
        entries.delete(queueId)
        turns.delete(queueId)
        yield* Effect.ignore(flushPresence(queueId, entry))
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
       * for `staleIfStoreDownMs` and then fail, so that nobody takes its answers for a place that is kept.
       */
      const flushPresenceIfDue = Effect.fnUntraced(function* (queueId: QueueId) {
        const entry = entries.get(queueId)
        const now = clock.monotonicTimeNanosUnsafe()
        if (entry === undefined) return
        if (msBetween(entry.presenceFlushedAt, now) < presencePeriodSeconds * 1_000) return
        yield* flushPresence(queueId, entry)
        entry.presenceFlushedAt = now
      })

      // Users of a node that ends go on on another one: what this one knows of them must not be lost.
      yield* Effect.addFinalizer(() =>
        Effect.forEach(
          entries,
          ([queueId, entry]) => Effect.ignore(flushPresence(queueId, entry)),
          {
            concurrency: 4,
            discard: true
          }
        ).pipe(Effect.timeoutOption(closingMs))
      )

      const admit = (queueId: QueueId, liveQueue: LiveQueue) =>
        submit<number>({
          queueId,
          plan: (plan) => plan.addHeads(queueId, liveQueue.heads()),
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
        let entry = begun
        for (let batch = 0; entry?.liveQueue.isDue && batch < batchesMax; batch++) {
          const decided = yield* admit(queueId, entry.liveQueue)
          entry = yield* read
          if (decided === 0) break
        }
        return entry
      })

      /**
       * Reads a queue, and admits those it has room for. A reading locks nothing, and admissions wait
       * for the queue's row: the polls wait for them a moment, and do not depend on them.
       */
      const refresh = Effect.fnUntraced(function* (queueId: QueueId) {
        yield* flushPresenceIfDue(queueId)
        const entry = yield* read(queueId)
        if (entry === undefined || !entry.liveQueue.isDue || admitting.has(queueId)) return entry
        const admission = yield* admitUntilIdle(queueId, entry, read(queueId)).pipe(
          Effect.ignore,
          Effect.forkIn(scope)
        )
        admitting.set(queueId, admission)
        admission.addObserver(() => admitting.delete(queueId))
        yield* Effect.timeoutOption(Fiber.await(admission), patience)
        return entries.get(queueId) ?? entry
      })

      const reads = yield* makeSharedReads<QueueId, Entry | undefined>({
        read: refresh,
        maxAgeMs: queueMaxAgeMs,
        keep: queuesKept
      })
      const ensureFresh = (queueId: QueueId) =>
        Effect.map(reads.read(queueId), ({ reading }) => reading)

      changes.listen((event) => {
        if (!("queueId" in event)) return
        if ("tokenId" in event) {
          // Who comes changes nobody's place, and who is seen again neither.
          if (event._tag === "QueueTokenIssued" || event._tag === "QueueTokenExtended") return
          entries.get(event.queueId)?.staleTokens.add(event.tokenId)
          // Who was inside has no place in line: there may be room now, which the next reading shows.
          if (event._tag === "QueueTokenCompleted") return
        }
        reads.invalidate(event.queueId)
      })

      const leastSeconds = Math.ceil(queueMaxAgeMs / 1_000)
      const withMinPollDelay = <Status extends QueueTokenStatus>(status: Status): Status =>
        status.pollAfterSeconds < leastSeconds
          ? { ...status, pollAfterSeconds: leastSeconds }
          : status
      const statusIn = (entry: Entry, payload: QueueTokenPayload) => {
        const status = entry.staleTokens.has(payload.tokenId)
          ? undefined
          : entry.liveQueue.statusOf(payload)
        return status && withMinPollDelay(status)
      }
      const lastKnownStatus = (payload: QueueTokenPayload) => {
        const entry = entries.get(payload.queueId)
        return entry && statusIn(entry, payload)
      }
      /** Whoever is told that they wait is there to hear it. */
      const statusAndMarkPresent = (entry: Entry, payload: QueueTokenPayload) => {
        const status = statusIn(entry, payload)
        if (status?.state === "waiting") {
          entry.presence.mark(payload)
          metrics.told(payload.tokenId, status)
        }
        return status
      }
      const ageMs = (entry: Entry): number =>
        msBetween(entry.readBegunAt, clock.monotonicTimeNanosUnsafe())

      /** Reads a queue unless it was just read; the last reading will do while the store is away. */
      const ensureKnown = (queueId: QueueId): Effect.Effect<Entry | undefined, Faults> =>
        Effect.suspend(() => {
          const fresh = ensureFresh(queueId)
          const before = entries.get(queueId)
          return before === undefined || ageMs(before) >= staleIfStoreDownMs
            ? fresh
            : Effect.timeout(fresh, patience).pipe(Effect.catch(() => Effect.succeed(before)))
        })

      /**
       * A host's transaction sees what may never be so: what is read there is of use there alone,
       * and nothing of it may come into what this node knows.
       */
      const isInside = Effect.map(HostTransaction, (transaction) => transaction !== undefined)

      const freshStatus = Effect.fnUntraced(function* (payload: QueueTokenPayload) {
        const { queueId } = payload
        if (yield* isInside) {
          const status = (yield* catchUp(queueId))?.statusOf(payload)
          return status && withMinPollDelay(status)
        }
        const entry = yield* ensureKnown(queueId)
        if (entry === undefined) return undefined
        if (!isNewer(payload, entry.liveQueue)) return statusAndMarkPresent(entry, payload)
        // Who came since the queue was read is not in the reading yet.
        reads.invalidate(queueId)
        const next = yield* ensureFresh(queueId)
        return next && statusAndMarkPresent(next, payload)
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
        const admission = admitting.get(queueId)
        if (admission !== undefined) yield* Fiber.await(admission)
      })

      return LiveQueues.of({
        submit,
        read: readQueue,
        freshStatus,
        lastKnownStatus,
        withMinPollDelay,
        recordAdmission: metrics.cameIn,
        cachedStatus: (payload) => {
          const entry = entries.get(payload.queueId)
          return entry && ageMs(entry) < queueMaxAgeMs
            ? statusAndMarkPresent(entry, payload)
            : undefined
        },
        advance
      })
    })
  )
}

const isNewer = ({ place }: QueueTokenPayload, liveQueue: LiveQueue): boolean => {
  if (place === undefined) return false
  const entry = place.lane === "general" ? liveQueue.queue : liveQueue.queue.priority
  return place.number >= entry.nextNumber
}
