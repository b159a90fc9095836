/** The catalogue, as promises. */

import type { PerformanceReading } from "../BoxOfficeStore.ts"
import type {
  Added,
  AddedSeats,
  AddPerformanceError,
  AddSeatsError,
  AddShowError,
  DatesInput,
  PerformanceInput,
  SeatsInput,
  SeatsToAddInput,
  ShowInput,
  ShowsPage
} from "../Catalog.ts"
import type { PerformanceNotFound, ShowNotFound } from "../catalog/errors.ts"
import type { AvailableDates, Performance, SeatMap, Show } from "../catalog/model.ts"
import type { Overloaded, RequestInvalid, StoreUnavailable } from "../Errors.ts"
import type { GateError } from "../Gate.ts"
import type { CallOptions, Outcome } from "./outcome.ts"

/**
 * The catalogue: shows, performances and seats, and which of them can still be booked. The host
 * chooses the ids: 1 to 64 letters, marks and numbers of any script (in NFC), `_ . : / -`, and
 * single spaces between. Every operation can reject with `store_unavailable`. The gate's
 * `queue_token_*` are `queue_token_required`, `_invalid`, `_wrong_queue`, `_waiting` and
 * `_expired`.
 */
export interface PromisedCatalog {
  /**
   * A page of shows in order of their ids: `limit` of them (1 to 200, default 50), after the show
   * `after`. Not gated, so that a client can find its queue. Rejects with `request_invalid`.
   */
  readonly shows: (
    page: { readonly limit?: number | undefined; readonly after?: string | undefined },
    options?: CallOptions
  ) => Promise<ShowsPage>

  /** A show, with the queue in front of it. Not gated. Rejects with `show_not_found`. */
  readonly show: (showId: string, options?: CallOptions) => Promise<Show>

  /**
   * The dates of a show that have a bookable seat, in the local time of each performance. Gated.
   * Sales of other nodes show after the policy `catalogMaxAgeMs` at the latest.
   *
   * Rejects with `request_invalid`, the gate's `queue_token_*` and `policy_failed`,
   * `show_not_found`, `overloaded`.
   */
  readonly availableDates: (input: DatesInput, options?: CallOptions) => Promise<AvailableDates>

  /**
   * The bookable seats of a performance, or with `status: "all"` every seat with its status. Gated.
   * As old as {@link availableDates} at most. `version` grows with every change.
   *
   * Rejects with `request_invalid`, the gate's `queue_token_*` and `policy_failed`,
   * `performance_not_found`, `overloaded`.
   *
   * @example
   * ```ts
   * import type { PromisedBoxOffice, Caller } from "@boxoffice/core"
   *
   * const cheapest = async (office: PromisedBoxOffice, caller: Caller, performanceId: string) => {
   *   const { seats } = await office.catalog.availableSeats({ ...caller, performanceId })
   *   return seats.toSorted((a, b) => Number(a.price.amount - b.price.amount))[0]
   * }
   * ```
   */
  readonly availableSeats: (input: SeatsInput, options?: CallOptions) => Promise<SeatMap>

  /**
   * Every performance of a show, bookable or not, by start; instants are milliseconds since 1970.
   * For operators. Rejects with `show_not_found`.
   */
  readonly performances: (
    showId: string,
    options?: CallOptions
  ) => Promise<ReadonlyArray<PerformanceReading>>

  /**
   * Adds a show behind a queue that exists. Sales have no limit where `salesOpenAt` or `salesCloseAt`
   * is left out or `null`. If the same show exists already, resolves with it and
   * `created: false`, so that a set-up script can run again.
   *
   * Rejects with `request_invalid`, `already_exists` (another show has this id), `queue_not_found`,
   * `idempotency_key_reused`.
   */
  readonly addShow: (show: ShowInput, options?: CallOptions) => Promise<Added<Show>>

  /**
   * Adds a performance to a show. If the same performance exists already, resolves with it and
   * `created: false`.
   *
   * Rejects with `request_invalid`, `already_exists` (another performance has this id),
   * `show_not_found`, `idempotency_key_reused`.
   */
  readonly addPerformance: (
    performance: PerformanceInput,
    options?: CallOptions
  ) => Promise<Added<Performance>>

  /**
   * Adds seats, all or none, 1 to 100,000 at a time, with prices in one currency. They keep the
   * order of the array. Seats that exist already with the same values stay as they are; `added`
   * counts only the new ones.
   *
   * Rejects with `request_invalid`, `already_exists` (another seat has one of the ids),
   * `performance_not_found`, `idempotency_key_reused`.
   */
  readonly addSeats: (input: SeatsToAddInput, options?: CallOptions) => Promise<AddedSeats>
}

/** The operations of {@link PromisedCatalog}, with their errors as values. */
export interface CatalogResults {
  /** See {@link PromisedCatalog.shows}. */
  readonly shows: (
    page: { readonly limit?: number | undefined; readonly after?: string | undefined },
    options?: CallOptions
  ) => Promise<Outcome<ShowsPage, RequestInvalid | StoreUnavailable>>
  /** See {@link PromisedCatalog.show}. */
  readonly show: (
    showId: string,
    options?: CallOptions
  ) => Promise<Outcome<Show, ShowNotFound | StoreUnavailable>>
  /** See {@link PromisedCatalog.availableDates}. */
  readonly availableDates: (
    input: DatesInput,
    options?: CallOptions
  ) => Promise<
    Outcome<
      AvailableDates,
      GateError | ShowNotFound | RequestInvalid | Overloaded | StoreUnavailable
    >
  >
  /** See {@link PromisedCatalog.availableSeats}. */
  readonly availableSeats: (
    input: SeatsInput,
    options?: CallOptions
  ) => Promise<
    Outcome<
      SeatMap,
      GateError | PerformanceNotFound | RequestInvalid | Overloaded | StoreUnavailable
    >
  >
  /** See {@link PromisedCatalog.performances}. */
  readonly performances: (
    showId: string,
    options?: CallOptions
  ) => Promise<Outcome<ReadonlyArray<PerformanceReading>, ShowNotFound | StoreUnavailable>>
  /** See {@link PromisedCatalog.addShow}. */
  readonly addShow: (
    show: ShowInput,
    options?: CallOptions
  ) => Promise<Outcome<Added<Show>, AddShowError>>
  /** See {@link PromisedCatalog.addPerformance}. */
  readonly addPerformance: (
    performance: PerformanceInput,
    options?: CallOptions
  ) => Promise<Outcome<Added<Performance>, AddPerformanceError>>
  /** See {@link PromisedCatalog.addSeats}. */
  readonly addSeats: (
    input: SeatsToAddInput,
    options?: CallOptions
  ) => Promise<Outcome<AddedSeats, AddSeatsError>>
}
