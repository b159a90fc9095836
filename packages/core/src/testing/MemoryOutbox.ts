/**
 * The outbox in memory. It numbers and commits batches as Postgres does: a batch takes its number
 * while it is decided, and batches with higher numbers may commit before it. It holds the committed
 * batches until `prune` deletes them, and the place and lease of each consumer until `remove`.
 */
import { Clock, Effect } from "effect"
import type { BoxOfficeEvent } from "../Events.ts"
import { encodeEvents, eventVersion } from "../events/codec.ts"
import type {
  ConsumerStatus,
  Outbox,
  OutboxBatch,
  OutboxPosition,
  StartingPoint
} from "../events/Outbox.ts"

interface StoredConsumer {
  readonly place: OutboxPosition
  readonly owner: string | undefined
  readonly leasedUntil: number
  readonly movedAt: number
}

interface StoredBatch {
  readonly batchId: bigint
  readonly events: string
  readonly at: number
  /** The batch's number in the order of commits, which can differ from that of `batchId`. */
  readonly commit: number
}

/**
 * What a consumer has passed: all commits up to `seen`, and of the current round, which ends with
 * the commit `reading`, the batches up to `batchId`. `reading` is undefined between two rounds.
 */
interface Cursor {
  readonly seen: number
  readonly reading: number | undefined
  readonly batchId: bigint
}

const toCursor = ({ seen, reading, batchId }: Cursor): string =>
  `${seen} ${reading ?? "-"} ${batchId}`

const fromCursor = (cursor: string): Cursor => {
  const [seen, reading, batchId] = cursor.split(" ") as [string, string, string]
  return {
    seen: Number(seen),
    reading: reading === "-" ? undefined : Number(reading),
    batchId: BigInt(batchId)
  }
}

const isPassed = ({ commit, batchId }: StoredBatch, cursor: Cursor): boolean =>
  commit <= cursor.seen ||
  (cursor.reading !== undefined && commit <= cursor.reading && batchId <= cursor.batchId)

export class MemoryOutbox {
  /** The committed batches, in order of their numbers. */
  private batches: Array<StoredBatch> = []
  private numbered = 0n
  private commits = 0
  private readonly consumers = new Map<string, StoredConsumer>()

  /** Numbers a batch. The returned function commits it. */
  add(events: ReadonlyArray<BoxOfficeEvent>): () => void {
    if (events.length === 0) return () => {}
    const batchId = ++this.numbered
    const batch = { batchId, events: encodeEvents(events), at: events.at(-1)!.at }
    return () => {
      this.batches.push({ ...batch, commit: ++this.commits })
      this.batches.sort((a, b) => (a.batchId < b.batchId ? -1 : 1))
    }
  }

  readonly port: Outbox = {
    claim: ({ consumer, owner, leaseMs, from }) =>
      at((now) => {
        const found = this.consumers.get(consumer)
        if (found?.owner !== undefined && found.owner !== owner && found.leasedUntil > now) {
          return "busy"
        }
        const place = found?.place ?? this.startingAt(from)
        const movedAt = found?.movedAt ?? now
        this.consumers.set(consumer, { place, owner, leasedUntil: now + leaseMs, movedAt })
        return place
      }),
    read: (cursor, limit) =>
      at(() => {
        const { seen, reading = this.commits, batchId } = fromCursor(cursor)
        const behind = this.batches.filter(
          (batch) => batch.commit <= reading && !isPassed(batch, { seen, reading, batchId })
        )
        const batches = behind.slice(0, limit).map(
          ({ batchId, events }): OutboxBatch => ({
            batchId,
            version: eventVersion,
            events,
            after: toCursor({ seen, reading, batchId })
          })
        )
        const more = batches.length === limit
        return {
          batches,
          from: toCursor({ seen, reading, batchId }),
          next: more
            ? batches.at(-1)!.after
            : toCursor({ seen: reading, reading: undefined, batchId: 0n }),
          more,
          // Not needed: a crash of the process loses the whole store, so no read is ever
          // interrupted.
          at: ""
        }
      }),
    save: ({ consumer, owner, leaseMs, place }) =>
      at((now) => {
        if (this.consumers.get(consumer)?.owner !== owner) return false
        if (place.position > 0 && fromCursor(place.cursor).reading === undefined) {
          throw new Error("a position belongs to a round: event_consumer_between_rounds_at_none")
        }
        const stored = { place, owner, leasedUntil: now + leaseMs, movedAt: now }
        this.consumers.set(consumer, stored)
        return true
      }),
    consumers: at((now) =>
      Array.from(
        this.consumers,
        ([consumer, { owner, leasedUntil, movedAt, place }]): ConsumerStatus => ({
          consumer,
          active: owner !== undefined && leasedUntil > now,
          batchesBehind: this.batches.filter((batch) => !isPassed(batch, fromCursor(place.cursor)))
            .length,
          movedAt,
          misplaced: false
        })
      ).sort((a, b) => (a.consumer < b.consumer ? -1 : 1))
    ),
    reset: (consumer, to) =>
      at((now) => {
        if (!this.consumers.has(consumer)) return false
        const place = this.startingAt(to)
        this.consumers.set(consumer, { place, owner: undefined, leasedUntil: now, movedAt: now })
        return true
      }),
    recover: Effect.succeed([]),
    remove: (consumer) => at(() => this.consumers.delete(consumer)),
    prune: (olderThanMs, limit) =>
      at((now) => {
        const cursors = Array.from(this.consumers.values(), ({ place }) => fromCursor(place.cursor))
        const isPast = (batch: StoredBatch, index: number) =>
          index < limit &&
          batch.at < now - olderThanMs &&
          cursors.every((cursor) => isPassed(batch, cursor))
        const kept = this.batches.filter((batch, index) => !isPast(batch, index))
        const deleted = this.batches.length - kept.length
        this.batches = kept
        return deleted
      })
  }

  private startingAt(point: StartingPoint): OutboxPosition {
    const seen = point === "now" ? this.commits : 0
    return { cursor: toCursor({ seen, reading: undefined, batchId: 0n }), position: 0 }
  }
}

const at = <A>(run: (now: number) => A): Effect.Effect<A> =>
  Effect.map(Clock.currentTimeMillis, run)
