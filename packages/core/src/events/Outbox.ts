/**
 * The part of the store that events are read from: the batches that were committed, and where each
 * consumer stands. A store moves these; what to read and when to move on is decided in `session.ts`.
 */
import type { Effect } from "effect"
import type { StoreUnavailable } from "../Errors.ts"

/** How far a consumer has read, in the words of the store that gave it. */
export type OutboxCursor = string

/** Where a consumer stands: what lies before it, it will not be given again. */
export interface Place {
  readonly cursor: OutboxCursor
  /**
   * How many events of the batch behind the cursor it has passed as well. Which batch that is must be
   * settled: above 0 only with a cursor that a page gave (`from`, or a batch's `after`).
   */
  readonly position: number
}

/** Where a new consumer begins, or an old one is set to: with the first event there is, or the next. */
export type StartingPoint = "beginning" | "now"

/** The events of one batch as they are stored. */
export interface OutboxBatch {
  readonly batchId: bigint
  readonly version: number
  readonly events: string
  /** The cursor with this batch behind it. */
  readonly after: OutboxCursor
}

export interface OutboxPage {
  /** Those of one aggregate are in their order; a batch that was passed over is not lost. */
  readonly batches: ReadonlyArray<OutboxBatch>
  /**
   * Where this page begins, in the round that it belongs to: read from there, the same batches come
   * again, whatever was committed meanwhile.
   */
  readonly from: OutboxCursor
  /** Where to read on. */
  readonly next: OutboxCursor
  /** Whether there may be more at once. */
  readonly more: boolean
  /** When that was, in the words of the store: see `read`. */
  readonly at: string
}

/** A consumer, as operators look at it. */
export interface ConsumerStatus {
  readonly consumer: string
  /** Whether somebody is consuming as it. */
  readonly active: boolean
  /** How many batches, at most, it has yet to pass. */
  readonly batchesBehind: number
  /** When its place was saved last, in milliseconds since 1970. */
  readonly movedAt: number
  /** Whether its place is from another database cluster, so that it has to be recovered. */
  readonly misplaced: boolean
}

export interface Outbox {
  /**
   * Lends a consumer to an owner for a while; makes it where there is none. `"busy"` while it is
   * lent to another; `"misplaced"` where its place is from another database cluster.
   */
  readonly claim: (claim: {
    readonly consumer: string
    readonly owner: string
    readonly leaseMs: number
    readonly from: StartingPoint
  }) => Effect.Effect<Place | "busy" | "misplaced", StoreUnavailable>
  /**
   * What was committed before now and is behind the cursor. `since` is the page that gave the cursor, by
   * its `at`; undefined of a cursor that was saved. `"interrupted"` where the database may have crashed
   * between the two: it may give anew what the cursor counts in, unless the cursor was saved.
   */
  readonly read: (
    cursor: OutboxCursor,
    limit: number,
    since?: string
  ) => Effect.Effect<OutboxPage | "interrupted", StoreUnavailable>
  /**
   * Saves the place and renews the lease; of 0 ms gives it back. False where another has it.
   * `"interrupted"` as of `read`: then the place stays as it was saved before.
   */
  readonly save: (save: {
    readonly consumer: string
    readonly owner: string
    readonly leaseMs: number
    readonly place: Place
    readonly since?: string | undefined
  }) => Effect.Effect<boolean | "interrupted", StoreUnavailable>
  readonly consumers: Effect.Effect<ReadonlyArray<ConsumerStatus>, StoreUnavailable>
  /** Sets a consumer elsewhere, and takes it from whoever has it. False where there is none. */
  readonly reset: (consumer: string, to: StartingPoint) => Effect.Effect<boolean, StoreUnavailable>
  /**
   * Gives every misplaced consumer a place in this cluster, at which nothing is missed and a few
   * events come again. Succeeds with their names.
   */
  readonly recover: Effect.Effect<ReadonlyArray<string>, StoreUnavailable>
  /** Forgets a consumer. False where there is none. */
  readonly remove: (consumer: string) => Effect.Effect<boolean, StoreUnavailable>
  /**
   * Of the `limit` oldest batches deletes those that are older and that every consumer has passed.
   * Succeeds with how many.
   */
  readonly prune: (olderThanMs: number, limit: number) => Effect.Effect<number, StoreUnavailable>
}
