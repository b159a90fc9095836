/** The outbox in memory: batches in the order in which they were saved, which is the one there is. */
import { Clock, Effect } from "effect"
import type { BoxOfficeEvent } from "../Events.ts"
import { encodeEvents, eventVersion } from "../events/codec.ts"
import type { ConsumerStatus, Outbox, OutboxBatch, Place, StartingPoint } from "../events/Outbox.ts"

interface StoredConsumer {
  readonly place: Place
  readonly owner: string | undefined
  readonly leasedUntil: number
  readonly movedAt: number
}

/** A cursor is the number of the last batch before it. */
export class MemoryOutbox {
  private batches: Array<OutboxBatch & { readonly at: number }> = []
  private last = 0n
  private readonly consumers = new Map<string, StoredConsumer>()

  add(events: ReadonlyArray<BoxOfficeEvent>): void {
    if (events.length === 0) return
    this.last++
    this.batches.push({
      batchId: this.last,
      version: eventVersion,
      events: encodeEvents(events),
      after: String(this.last),
      at: events.at(-1)!.at
    })
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
        const behind = this.batches.filter(({ batchId }) => batchId > BigInt(cursor))
        const batches = behind.slice(0, limit)
        return {
          batches,
          next: batches.at(-1)?.after ?? cursor,
          more: batches.length < behind.length
        }
      }),
    save: ({ consumer, owner, leaseMs, place }) =>
      at((now) => {
        if (this.consumers.get(consumer)?.owner !== owner) return false
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
          batchesBehind: Number(this.last - BigInt(place.cursor)),
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
        const cursors = Array.from(this.consumers.values(), ({ place }) => BigInt(place.cursor))
        const isPast = ({ batchId, at }: (typeof this.batches)[number], index: number) =>
          index < limit && at < now - olderThanMs && cursors.every((cursor) => batchId <= cursor)
        const kept = this.batches.filter((batch, index) => !isPast(batch, index))
        const deleted = this.batches.length - kept.length
        this.batches = kept
        return deleted
      })
  }

  private startingAt(point: StartingPoint): Place {
    return { cursor: point === "now" ? String(this.last) : "0", position: 0 }
  }
}

const at = <A>(look: (now: number) => A): Effect.Effect<A> =>
  Effect.map(Clock.currentTimeMillis, look)
