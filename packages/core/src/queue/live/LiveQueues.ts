/**
 * In-memory snapshot of each queue, so that a node answers polls without a query.
 *
 * Holds: one entry per queue, for at most 1,000 queues; the queue that was read longest ago goes
 * first. An entry has the snapshot (`LiveQueue`), the tokens that this node has changed since the
 * snapshot was read (`staleTokens`: only the store knows their status), and the presence marks that
 * the node has yet to flush to the store.
 *
 * Refresh: on demand, at most once per `queueMaxAgeMs`. There is no timer: the first poll after
 * expiry refreshes the snapshot; concurrent polls share that read. An event of this node that
 * changes a position makes the next `freshStatus` read the queue again. If a snapshot shows that
 * the queue can open, admit or end tokens, the refresh runs the batches that do it: the node that
 * sees it first does the work.
 *
 * States of an entry:
 * - absent: never read, or evicted. The next call reads the queue.
 * - fresh: read less than `queueMaxAgeMs` ago. Polls are answered from memory.
 * - expired: older. The next poll refreshes it.
 * - stale: the refresh failed, or took longer than 500 ms, and the snapshot is younger than
 *   `staleIfStoreDownMs`. Polls are answered from it. Once it is older, polls fail as the store
 *   does.
 *
 * An entry that is evicted, and a node that shuts down, flush their presence marks first.
 */
import { Context, Effect, Fiber, Layer } from "effect"
import { BoxOfficeStore } from "../../BoxOfficeStore.ts"
import type { Overloaded, StoreUnavailable } from "../../Errors.ts"
import { type Batcher, makeBatchers } from "../../engine/Batcher.ts"
import { BatchSettings, rowLocksOf } from "../../engine/Command.ts"
import { CommittedEvents } from "../../engine/CommittedEvents.ts"
import { makeSharedReads, refreshTimeout } from "../../engine/SharedReads.ts"
import { HostTransaction } from "../../HostTransaction.ts"
import type { QueueId, TokenId } from "../../Ids.ts"
import { Policies } from "../../Policies.ts"
import type { QueueTokenPayload } from "../../token/format.ts"
import { planQueueBatch, type QueueCommand, runQueueBatch } from "../batch.ts"
import type { QueueRow, QueueTokenStatus } from "../model.ts"
import { laneRow } from "../position.ts"
import type { LiveQueue } from "./LiveQueue.ts"
import { makeQueueMetrics } from "./metrics.ts"
import { type Entry, makeSnapshots, queuesKept } from "./snapshots.ts"

/** The most batches in a row that one refresh runs. */
const batchesMax = 100
/** How long the sweeper waits for the admissions of one queue, so that no other queue waits for it. */
const advanceTimeout = "2 seconds"

type Faults = Overloaded | StoreUnavailable

/** @internal The snapshots that the queue service and the gate answer from. */
export class LiveQueues extends Context.Service<
  LiveQueues,
  {
    /** Decides a command in a batch of its queue. */
    readonly submit: <A>(command: QueueCommand<A>) => Effect.Effect<A, Faults>
    /**
     * The queue row of a snapshot that is fresh, or stale while the store is down; `undefined` if
     * there is no such queue. No tokens are loaded with it.
     */
    readonly read: (queueId: QueueId) => Effect.Effect<QueueRow | undefined, Faults>
    /**
     * `LiveQueue.statusOf` by a fresh snapshot, which this reads if needed, or by a stale one while
     * the store is down. Marks a waiting user as present.
     */
    readonly freshStatus: (
      payload: QueueTokenPayload
    ) => Effect.Effect<QueueTokenStatus | undefined, Faults>
    /**
     * The same without I/O: `undefined` also if there is no fresh snapshot. Marks a waiting user as
     * present.
     */
    readonly cachedStatus: (payload: QueueTokenPayload) => QueueTokenStatus | undefined
    /**
     * The same without I/O, from a snapshot of any age. Marks no presence: the user did not poll.
     */
    readonly lastKnownStatus: (payload: QueueTokenPayload) => QueueTokenStatus | undefined
    /**
     * Raises `pollAfterSeconds` to `queueMaxAgeMs` at least. By then every node has refreshed its
     * snapshot, so a user who polls when asked to never sees their position rise, whichever node
     * answers.
     */
    readonly withMinPollDelay: <Status extends QueueTokenStatus>(status: Status) => Status
    /**
     * Records in the metrics that a token was admitted, so that its first estimate can be rated.
     */
    readonly recordAdmission: (queueId: QueueId, tokenId: TokenId, admittedAt: number) => void
    /**
     * Reads the queue and runs the batches that are due. The sweeper calls it, since no poll may.
     */
    readonly advance: (queueId: QueueId) => Effect.Effect<void, Faults>
  }
>()("@boxoffice/core/LiveQueues") {
  static readonly layer = Layer.effect(
    LiveQueues,
    Effect.gen(function* () {
      const store = yield* BoxOfficeStore
      const committed = yield* CommittedEvents
      const policies = yield* Policies
      const { queueMaxAgeMs, staleIfStoreDownMs } = policies
      const metrics = yield* makeQueueMetrics(committed)
      const snapshots = yield* makeSnapshots(metrics.read)
      const { catchUp, read, flushPresenceIfDue, hasPolled, ageMs } = snapshots
      /** The queues whose due batches this node is running, one run each at a time. */
      const dueRuns = new Map<QueueId, Fiber.Fiber<unknown>>()
      const scope = yield* Effect.scope

      const batcher: Batcher<QueueCommand, unknown> = yield* makeBatchers({
        ...(yield* BatchSettings),
        keyOf: (command: QueueCommand) => command.queueId,
        locks: rowLocksOf(store, planQueueBatch),
        run: (batch: ReadonlyArray<QueueCommand>, waitsBriefly: boolean) =>
          runQueueBatch(store, policies, batch, hasPolled, waitsBriefly)
      })
      const submit = <A>(command: QueueCommand<A>) =>
        batcher.submit(command) as Effect.Effect<A, Faults>
      // After the batchers, so that closing flushes before it waits for the batch in flight.
      yield* Effect.addFinalizer(() => snapshots.flushAllPresence)

      /** Opens, ends and admits what is due. Gives how many events that made. */
      const runDueBatch = (queueId: QueueId, liveQueue: LiveQueue) =>
        submit<number>({
          queueId,
          plan: (plan) => plan.addHeads(queueId, liveQueue.heads()),
          decide: () => ({ onlineToken: undefined, reply: (dueEvents) => dueEvents })
        })

      /**
       * Runs batches while the snapshot shows that something is due, and reads the queue after
       * each. Ends early if a batch changed nothing. Returns the last read.
       */
      const runDueBatches = Effect.fnUntraced(function* <
        A extends { readonly liveQueue: LiveQueue }
      >(
        queueId: QueueId,
        first: A | undefined,
        read: Effect.Effect<A | undefined, StoreUnavailable>
      ) {
        let entry = first
        for (let batch = 0; entry?.liveQueue.isDue && batch < batchesMax; batch++) {
          const dueEvents = yield* runDueBatch(queueId, entry.liveQueue)
          entry = yield* read
          if (dueEvents === 0) break
        }
        return entry
      })

      /**
       * Reads a queue, and starts the batches that are due. The read takes no lock, but a batch waits
       * for the lock of the queue's row. So the polls that wait for this refresh wait for batches no
       * longer than `refreshTimeout`.
       */
      const refresh = Effect.fnUntraced(function* (queueId: QueueId) {
        yield* flushPresenceIfDue(queueId)
        const entry = yield* read(queueId)
        if (entry === undefined || !entry.liveQueue.isDue || dueRuns.has(queueId)) return entry
        const dueRun = yield* runDueBatches(queueId, entry, read(queueId)).pipe(
          Effect.ignore,
          Effect.forkIn(scope)
        )
        dueRuns.set(queueId, dueRun)
        dueRun.addObserver(() => dueRuns.delete(queueId))
        // Guard refresh-deadline: with "Fiber.await(dueRun)" for "Effect…Timeout)", sql-store/outage.test "waits for no lock" fails.
        yield* Effect.timeoutOption(Fiber.await(dueRun), refreshTimeout)
        return snapshots.get(queueId) ?? entry
      })

      const reads = yield* makeSharedReads<QueueId, Entry | undefined>({
        read: refresh,
        maxAgeMs: queueMaxAgeMs,
        keep: queuesKept
      })
      const ensureFresh = (queueId: QueueId) =>
        Effect.map(reads.read(queueId), ({ reading }) => reading)

      committed.listen((event) => {
        if (!("queueId" in event)) return
        if ("tokenId" in event) {
          // A join goes to the end of its lane, and an extended session is not in line: neither
          // changes the position of another token.
          if (event._tag === "QueueTokenIssued" || event._tag === "QueueTokenExtended") return
          snapshots.get(event.queueId)?.staleTokens.add(event.tokenId)
          // A completed token was admitted, so no position changes. It may make room, which the
          // next refresh shows.
          if (event._tag === "QueueTokenCompleted") return
        }
        reads.invalidate(event.queueId)
      })

      const minPollDelaySeconds = Math.ceil(queueMaxAgeMs / 1_000)
      const withMinPollDelay = <Status extends QueueTokenStatus>(status: Status): Status =>
        status.pollAfterSeconds < minPollDelaySeconds
          ? { ...status, pollAfterSeconds: minPollDelaySeconds }
          : status
      const statusIn = (entry: Entry, payload: QueueTokenPayload) => {
        const status = entry.staleTokens.has(payload.tokenId)
          ? undefined
          : entry.liveQueue.statusOf(payload)
        return status && withMinPollDelay(status)
      }
      const lastKnownStatus = (payload: QueueTokenPayload) => {
        const entry = snapshots.get(payload.queueId)
        return entry && statusIn(entry, payload)
      }
      /** A user who polls while waiting is present. */
      const statusAndMarkPresent = (entry: Entry, payload: QueueTokenPayload) => {
        const status = statusIn(entry, payload)
        if (status?.state === "waiting") {
          entry.presence.mark(payload)
          metrics.estimateShown(payload.tokenId, status)
        }
        return status
      }
      /**
       * A fresh snapshot. If there is one younger than `staleIfStoreDownMs`, a refresh that fails
       * or takes longer than `refreshTimeout` falls back to it.
       */
      const freshOrStale = (queueId: QueueId): Effect.Effect<Entry | undefined, Faults> =>
        Effect.suspend(() => {
          const fresh = ensureFresh(queueId)
          const last = snapshots.get(queueId)
          return last === undefined || ageMs(last) >= staleIfStoreDownMs
            ? fresh
            : Effect.timeout(fresh, refreshTimeout).pipe(Effect.catch(() => Effect.succeed(last)))
        })

      /**
       * Whether the call runs within a host's transaction. The transaction may roll back, so it
       * reads a snapshot of its own, and none of what it reads may enter the shared snapshots.
       */
      const isWithin = Effect.map(HostTransaction, (transaction) => transaction !== undefined)

      const freshStatus = Effect.fnUntraced(function* (payload: QueueTokenPayload) {
        const { queueId } = payload
        if (yield* isWithin) {
          const status = (yield* catchUp(queueId))?.statusOf(payload)
          return status && withMinPollDelay(status)
        }
        const entry = yield* freshOrStale(queueId)
        if (entry === undefined) return undefined
        if (!isNewer(payload, entry.liveQueue)) return statusAndMarkPresent(entry, payload)
        // The token joined after the snapshot was read, so the queue is read again.
        reads.invalidate(queueId)
        const next = yield* ensureFresh(queueId)
        return next && statusAndMarkPresent(next, payload)
      })

      const readQueue = Effect.fnUntraced(function* (queueId: QueueId) {
        if (yield* isWithin) return (yield* catchUp(queueId))?.queue
        return (yield* freshOrStale(queueId))?.liveQueue.queue
      })

      const advance = Effect.fnUntraced(function* (queueId: QueueId) {
        if (yield* isWithin) {
          const once = Effect.map(catchUp(queueId), (liveQueue) => liveQueue && { liveQueue })
          yield* runDueBatches(queueId, yield* once, once)
          return
        }
        reads.invalidate(queueId)
        yield* ensureFresh(queueId)
        const dueRun = dueRuns.get(queueId)
        if (dueRun !== undefined) {
          yield* Effect.timeoutOption(Fiber.await(dueRun), advanceTimeout)
        }
      })

      return LiveQueues.of({
        submit,
        read: readQueue,
        freshStatus,
        lastKnownStatus,
        withMinPollDelay,
        recordAdmission: metrics.tokenAdmitted,
        cachedStatus: (payload) => {
          const entry = snapshots.get(payload.queueId)
          return entry && ageMs(entry) < queueMaxAgeMs
            ? statusAndMarkPresent(entry, payload)
            : undefined
        },
        advance
      })
    })
  )
}

/** Whether a token joined after its queue's snapshot was read. */
const isNewer = ({ entry }: QueueTokenPayload, liveQueue: LiveQueue): boolean => {
  if (entry === undefined) return false
  return entry.number >= laneRow(liveQueue.queue, entry.lane).nextNumber
}
