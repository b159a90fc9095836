/** The part of the store that keeps webhook deliveries which were not accepted at once. */
import type { Effect } from "effect"
import type { StoreUnavailable } from "../Errors.ts"

/** A delivery that waits for its turn, or for its next attempt. */
export interface ParkedDelivery {
  readonly eventId: string
  /** Kind and id: its deliveries keep their order. */
  readonly aggregate: string
  readonly body: string
  readonly attempts: number
}

/** A delivery that was given up. */
export interface DeadLetter extends ParkedDelivery {
  /** Goes up in the order in which they were parked. */
  readonly deliveryId: bigint
  /** What came of the last attempt, such as `HTTP 500`. */
  readonly error: string
  /** In milliseconds since 1970. */
  readonly parkedAt: number
}

export interface Deliveries {
  /**
   * Parks a delivery behind those of its aggregate. False where it is parked, or was given up,
   * already: it stays as it is.
   */
  readonly park: (
    endpoint: string,
    delivery: ParkedDelivery & { readonly delayMs: number; readonly error: string | null }
  ) => Effect.Effect<boolean, StoreUnavailable>
  /** The events of each aggregate whose deliveries wait. */
  readonly waiting: (
    endpoint: string
  ) => Effect.Effect<ReadonlyMap<string, ReadonlyArray<string>>, StoreUnavailable>
  /** The first of each aggregate, of those whose time has come; at most `limit`. */
  readonly due: (
    endpoint: string,
    limit: number
  ) => Effect.Effect<ReadonlyArray<ParkedDelivery>, StoreUnavailable>
  /** The delivery was accepted. */
  readonly accepted: (endpoint: string, eventId: string) => Effect.Effect<void, StoreUnavailable>
  /** It was not: to be tried again after a while, or given up where that is `null`. */
  readonly refused: (
    endpoint: string,
    eventId: string,
    attempt: {
      readonly attempts: number
      readonly delayMs: number | null
      readonly error: string
    }
  ) => Effect.Effect<void, StoreUnavailable>
  readonly dead: (
    endpoint: string,
    page: { readonly after: bigint | undefined; readonly limit: number }
  ) => Effect.Effect<ReadonlyArray<DeadLetter>, StoreUnavailable>
  /** Lets dead letters be tried anew, those of the events or all. Succeeds with how many. */
  readonly redeliver: (
    endpoint: string,
    eventIds: ReadonlyArray<string> | undefined
  ) => Effect.Effect<number, StoreUnavailable>
  /** Deletes dead letters, those of the events or all. Succeeds with how many. */
  readonly discard: (
    endpoint: string,
    eventIds: ReadonlyArray<string> | undefined
  ) => Effect.Effect<number, StoreUnavailable>
  /**
   * Deletes what is kept for an endpoint that is no more, waiting or dead: at most `limit`. Gives how
   * many.
   */
  readonly forget: (endpoint: string, limit: number) => Effect.Effect<number, StoreUnavailable>
  /**
   * Deletes dead letters, of whichever endpoint, that were given up more than so many milliseconds
   * ago: at most `limit`. Gives how many.
   */
  readonly clear: (olderThanMs: number, limit: number) => Effect.Effect<number, StoreUnavailable>
}
