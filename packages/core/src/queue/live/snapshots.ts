/**
 * The snapshots of queues that a node has read, and its presence marks.
 *
 * Holds: an entry for each queue, for at most 1,000 queues; the queue that was read longest ago goes
 * first, and its presence marks are flushed to the store before. The same happens to all marks when
 * the node shuts down. See `LiveQueues.ts` for what refreshes an entry, and its states.
 */
import { Clock, Effect, Semaphore } from "effect"
import { BoxOfficeStore } from "../../BoxOfficeStore.ts"
import { msBetween } from "../../engine/SharedReads.ts"
import type { QueueId, TokenId } from "../../Ids.ts"
import type { TokenRow } from "../model.ts"
import { presencePeriodSeconds } from "../presence.ts"
import { LiveQueue } from "./LiveQueue.ts"
import { Presence } from "./presence.ts"

/** The most queues that a node keeps a snapshot of. */
export const queuesKept = 1_000
/** How long a node that shuts down waits for the store to take its presence marks. */
const closingMs = 2_000

/** A snapshot, and what this node knows beside it. */
export interface Entry {
  readonly liveQueue: LiveQueue
  /** In nanoseconds, by the monotonic clock. */
  readBegunAt: bigint
  /** Tokens that this node has changed since the snapshot was read: only the store knows them. */
  readonly staleTokens: Set<TokenId>
  /** Presence marks that this node has yet to flush to the store. */
  readonly presence: Presence
  presenceFlushedAt: bigint
}

/** Opens the snapshots. `onRead` is called with each snapshot that was read. */
export const makeSnapshots = Effect.fnUntraced(function* (onRead: (liveQueue: LiveQueue) => void) {
  const store = yield* BoxOfficeStore
  const clock = yield* Clock.Clock
  const entries = new Map<QueueId, Entry>()
  const readLocks = new Map<QueueId, Semaphore.Semaphore>()

  /**
   * Reads what has happened since a snapshot's last departure; without a snapshot, makes a new
   * one. `undefined` if there is no such queue.
   */
  const catchUp = Effect.fnUntraced(function* (queueId: QueueId, before?: LiveQueue) {
    let liveQueue = before
    for (;;) {
      const reading = yield* store.readQueue(queueId, liveQueue?.after ?? 0n)
      if (reading === undefined) return undefined
      liveQueue ??= new LiveQueue(reading)
      const isComplete = liveQueue.absorb(reading)
      // Yields between the steps, so that the node's other work goes on.
      while (!liveQueue.placeSome()) yield* Effect.yieldNow
      if (isComplete) return liveQueue
      yield* Effect.yieldNow
    }
  })

  /** Reads of a queue run one at a time: each continues from the departures of the one before. */
  const read = (queueId: QueueId) =>
    Effect.suspend(() => {
      const readLock = readLocks.get(queueId) ?? Semaphore.makeUnsafe(1)
      readLocks.set(queueId, readLock)
      return Effect.ensuring(
        Semaphore.withPermit(readLock, readNow(queueId)),
        // Clients may ask for any name: only queues that the node holds keep their lock.
        Effect.sync(() => entries.has(queueId) || readLocks.delete(queueId))
      )
    })

  const readNow = Effect.fnUntraced(function* (queueId: QueueId) {
    const begunAt = clock.monotonicTimeNanosUnsafe()
    const before = entries.get(queueId)
    // The read shows the changes that were made before it. Tokens that change while it runs
    // stay stale until the next one.
    const staleBefore = new Set(before?.staleTokens)
    const liveQueue = yield* catchUp(queueId, before?.liveQueue)
    if (liveQueue === undefined) return undefined
    onRead(liveQueue)
    const entry = before ?? {
      liveQueue,
      readBegunAt: begunAt,
      staleTokens: new Set<TokenId>(),
      presence: new Presence(),
      presenceFlushedAt: begunAt
    }
    entry.readBegunAt = begunAt
    for (const tokenId of staleBefore) entry.staleTokens.delete(tokenId)
    // Moves the entry to the end of the map. The entry at the front was read longest ago, and
    // is evicted if there are too many.
    entries.delete(queueId)
    entries.set(queueId, entry)
    if (entries.size > queuesKept) yield* forget(entries.keys().next().value!)
    return entry
  })

  const forget = Effect.fnUntraced(function* (queueId: QueueId) {
    const entry = entries.get(queueId)!
    entries.delete(queueId)
    readLocks.delete(queueId)
    yield* Effect.ignore(flushPresence(queueId, entry))
  })

  /**
   * Writes the presence marks to the store. If that fails, the node keeps them for the next
   * flush.
   */
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
   * Flushes once per period, before the read. If the flush fails, the refresh fails, too: the
   * node answers polls from memory for `staleIfStoreDownMs`, and then polls fail. So a user
   * never goes on polling a node whose marks do not reach the store, which would remove the
   * user as absent.
   */
  const flushPresenceIfDue = Effect.fnUntraced(function* (queueId: QueueId) {
    const entry = entries.get(queueId)
    const now = clock.monotonicTimeNanosUnsafe()
    if (entry === undefined) return
    if (msBetween(entry.presenceFlushedAt, now) < presencePeriodSeconds * 1_000) return
    yield* flushPresence(queueId, entry)
    entry.presenceFlushedAt = now
  })

  /** For a node that shuts down: its users go on polling another node, which must know of them. */
  const flushAllPresence = Effect.suspend(() =>
    Effect.forEach(entries, ([queueId, entry]) => Effect.ignore(flushPresence(queueId, entry)), {
      concurrency: 4,
      discard: true
    })
  ).pipe(Effect.timeoutOption(closingMs))

  /** Whether a user has polled this node since it last flushed its presence marks. */
  const hasPolled = ({ queueId, lane, number }: TokenRow): boolean =>
    entries.get(queueId)?.presence.has(lane, number) ?? false

  const ageMs = (entry: Entry): number =>
    msBetween(entry.readBegunAt, clock.monotonicTimeNanosUnsafe())

  return {
    get: (queueId: QueueId) => entries.get(queueId),
    catchUp,
    read,
    flushPresenceIfDue,
    flushAllPresence,
    hasPolled,
    ageMs
  }
})
