/**
 * The outbox: the part of the store that consumers read events from. It holds the committed batches
 * of events, until every consumer has passed them and `prune` deletes them, and for each consumer
 * its cursor and its lease. The store only moves these; `session.ts` decides what to read, and when
 * to move the cursor.
 *
 * States of a consumer: free, leased to one owner (until the lease is given back or runs out), and
 * misplaced (its cursor is from another database cluster, until `recover`).
 */
import type { Effect } from "effect"
import type { StoreUnavailable } from "../Errors.ts"

/** How far a consumer has read, in the format of the store that gave it. */
export type OutboxCursor = string

/** How far a consumer has read, to the event: it does not get the events before this again. */
export interface Bookmark {
  readonly cursor: OutboxCursor
  /**
   * How many events of the first batch after the cursor the consumer has passed, too. Above 0 only
   * with a cursor that a page gave (`from`, or a batch's `after`), since only then it is certain
   * which batch comes first.
   */
  readonly position: number
}

/** Where a new or reset consumer begins: with the oldest event kept, or with the next one. */
export type StartingPoint = "beginning" | "now"

/** The events of one batch as the store has them: JSON, see `codec.ts`. */
export interface OutboxBatch {
  readonly batchId: bigint
  readonly version: number
  readonly events: string
  /** The cursor of a consumer that has passed this batch. */
  readonly after: OutboxCursor
}

export interface OutboxPage {
  /**
   * The batches of one aggregate are in order. A batch that this page does not have comes later.
   */
  readonly batches: ReadonlyArray<OutboxBatch>
  /**
   * The cursor that this page begins at, in the round that it belongs to: a read from there gives
   * the same batches again, whatever was committed meanwhile.
   */
  readonly from: OutboxCursor
  /** The cursor to read the next page from. */
  readonly next: OutboxCursor
  /** Whether there may be more batches already, so that the next read need not wait. */
  readonly more: boolean
  /**
   * When the page was read, in the format of the store: the argument `since` of the next `read`.
   */
  readonly at: string
}

/** A consumer as operators see it. */
export interface ConsumerStatus {
  readonly consumer: string
  /** Whether a session holds its lease. */
  readonly active: boolean
  /** How many batches it has yet to pass, at most. */
  readonly batchesBehind: number
  /** When its cursor was saved, or its lease taken, last: in milliseconds since 1970. */
  readonly movedAt: number
  /** Whether its cursor is from another database cluster, so that `recover` must be called. */
  readonly misplaced: boolean
}

export interface Outbox {
  /**
   * Gives an owner the lease of a consumer for `leaseMs`, and creates the consumer if there is
   * none. `"busy"` while another owner has the lease, unless the clock has stepped back since that
   * owner took or renewed it: then nothing says that the owner lives. A lease of the owner
   * `replaces`, whose session is over, counts as given back. `"misplaced"` if the consumer's cursor
   * is from another database cluster.
   */
  readonly takeLease: (lease: {
    readonly consumer: string
    readonly owner: string
    readonly replaces?: string | undefined
    readonly leaseMs: number
    readonly from: StartingPoint
  }) => Effect.Effect<Bookmark | "busy" | "misplaced", StoreUnavailable>
  /**
   * The batches after the cursor that were committed before now. `since` is the `at` of the page
   * that gave the cursor; undefined for a cursor that was saved. `"interrupted"` if the database
   * may have crashed since that page: after a crash it can use the numbers again that an unsaved
   * cursor counts in.
   */
  readonly read: (
    cursor: OutboxCursor,
    limit: number,
    since?: string
  ) => Effect.Effect<OutboxPage | "interrupted", StoreUnavailable>
  /**
   * Saves the bookmark and renews the lease; `leaseMs` 0 gives the lease back. False if another owner
   * has the lease. `"interrupted"` as for `read`: then the bookmark stays as it was saved before.
   */
  readonly save: (save: {
    readonly consumer: string
    readonly owner: string
    readonly leaseMs: number
    readonly bookmark: Bookmark
    readonly since?: string | undefined
  }) => Effect.Effect<boolean | "interrupted", StoreUnavailable>
  readonly consumers: Effect.Effect<ReadonlyArray<ConsumerStatus>, StoreUnavailable>
  /** Sets a consumer's cursor and ends its lease. False if there is no such consumer. */
  readonly reset: (consumer: string, to: StartingPoint) => Effect.Effect<boolean, StoreUnavailable>
  /**
   * Gives every misplaced consumer a cursor in this cluster, from which it misses no event and gets
   * a few again. Succeeds with their names.
   */
  readonly recover: Effect.Effect<ReadonlyArray<string>, StoreUnavailable>
  /** Deletes a consumer. False if there is no such consumer. */
  readonly remove: (consumer: string) => Effect.Effect<boolean, StoreUnavailable>
  /**
   * Of the `limit` oldest batches, deletes those that are older than `olderThanMs` and that every
   * consumer has passed. Succeeds with the count.
   */
  readonly prune: (olderThanMs: number, limit: number) => Effect.Effect<number, StoreUnavailable>
}
