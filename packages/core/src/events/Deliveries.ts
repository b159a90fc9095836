/**
 * The part of the store that keeps webhook deliveries which the endpoint did not accept at once.
 */
import type { Effect } from "effect"
import type { StoreUnavailable } from "../Errors.ts"

/** How long a delivery waits for its next attempt, at most. */
export const longestDelayMs = 3_600_000

/** A delivery that waits for its next attempt, or for earlier deliveries of its aggregate. */
export interface ParkedDelivery {
  readonly eventId: string
  /** Kind and id of the aggregate. Its deliveries keep their order. */
  readonly aggregate: string
  readonly body: string
  readonly attempts: number
}

/** A delivery that was given up after its last attempt. */
export interface DeadLetter extends ParkedDelivery {
  /** Ascends in the order of parking. */
  readonly deliveryId: bigint
  /** The error of the last attempt, such as `HTTP 500`. */
  readonly error: string
  /** In milliseconds since 1970. */
  readonly parkedAt: number
}

export interface Deliveries {
  /**
   * Parks a delivery behind those of its aggregate. Succeeds with whether it waits now: one that is
   * parked already stays as it is, and so does one that was given up, which does not wait.
   */
  readonly park: (
    endpoint: string,
    delivery: ParkedDelivery & { readonly delayMs: number; readonly error: string | null }
  ) => Effect.Effect<boolean, StoreUnavailable>
  /** The ids of the events whose deliveries are parked, by aggregate. */
  readonly waiting: (
    endpoint: string
  ) => Effect.Effect<ReadonlyMap<string, ReadonlyArray<string>>, StoreUnavailable>
  /**
   * The first delivery of each aggregate, as far as its next attempt is due; at most `limit`. An
   * attempt that is more than `longestDelayMs` away is due as well: the clock has stepped back since
   * the delivery was told to wait.
   */
  readonly due: (
    endpoint: string,
    limit: number
  ) => Effect.Effect<ReadonlyArray<ParkedDelivery>, StoreUnavailable>
  /** Records that the endpoint accepted a delivery. */
  readonly accepted: (endpoint: string, eventId: string) => Effect.Effect<void, StoreUnavailable>
  /** Records that it refused one: the next attempt is due in `delayMs`; `null` gives it up. */
  readonly refused: (
    endpoint: string,
    eventId: string,
    attempt: {
      readonly attempts: number
      readonly delayMs: number | null
      readonly error: string
    }
  ) => Effect.Effect<void, StoreUnavailable>
  /** The deliveries that were given up, by `deliveryId`. */
  readonly dead: (
    endpoint: string,
    page: { readonly after: bigint | undefined; readonly limit: number }
  ) => Effect.Effect<ReadonlyArray<DeadLetter>, StoreUnavailable>
  /** Parks dead letters again, those of the events or all. Succeeds with the count. */
  readonly redeliver: (
    endpoint: string,
    eventIds: ReadonlyArray<string> | undefined
  ) => Effect.Effect<number, StoreUnavailable>
  /** Deletes dead letters, those of the events or all. Succeeds with the count. */
  readonly discard: (
    endpoint: string,
    eventIds: ReadonlyArray<string> | undefined
  ) => Effect.Effect<number, StoreUnavailable>
  /**
   * Deletes the deliveries of an endpoint that was removed, waiting or dead: at most `limit`. Succeeds with
   * the count.
   */
  readonly forget: (endpoint: string, limit: number) => Effect.Effect<number, StoreUnavailable>
  /**
   * Deletes dead letters of all endpoints that were given up more than `olderThanMs` ago, at most
   * `limit`. Succeeds with the count.
   */
  readonly clear: (olderThanMs: number, limit: number) => Effect.Effect<number, StoreUnavailable>
}
