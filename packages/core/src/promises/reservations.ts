/** Holds and reservations as promises. */
import type { Overloaded, RequestInvalid, StoreUnavailable } from "../Errors.ts"
import type { HoldError, HoldInput, ReleaseError, ReservationsPage } from "../Reservations.ts"
import type { ReservationNotFound } from "../reservation/errors.ts"
import type { Reservation, ReservationCursor } from "../reservation/model.ts"
import type { CallOptions, Outcome } from "./outcome.ts"

/**
 * Holds seats for a while and releases them. Every operation can reject with `store_unavailable`.
 */
export interface PromisedReservations {
  /**
   * Holds all of the seats, or none of them, until `holdExpiresAt`. At that instant they are free
   * again, even if no sweeper runs. Gated.
   *
   * Rejects, in this order of precedence, with `request_invalid`, the gate's `queue_token_*`,
   * `performance_not_found`, `seat_not_found`, `seat_unavailable` (with the reason for each seat),
   * `limit_exceeded`; and with `idempotency_key_reused`, `overloaded` and, if a policy function of
   * the host fails, `policy_failed`.
   *
   * @example
   * ```ts
   * import { type PromisedBoxOffice, type Caller, SeatUnavailable } from "@boxoffice/core"
   *
   * const reserve = async (office: PromisedBoxOffice, caller: Caller, seatIds: Array<string>) => {
   *   try {
   *     return await office.reservations.hold({ ...caller, performanceId: "gala-1", seatIds })
   *   } catch (error) {
   *     if (error instanceof SeatUnavailable) return error.conflicts.map(({ seatId }) => seatId)
   *     throw error
   *   }
   * }
   * ```
   */
  readonly hold: (input: HoldInput, options?: CallOptions) => Promise<Reservation>

  /**
   * Releases a hold; its seats are free at once. A second call changes nothing.
   *
   * Rejects with `request_invalid`, `reservation_not_found`, `reservation_not_payable` (it is
   * paid), `overloaded`.
   */
  readonly release: (
    input: { readonly userId: string; readonly reservationId: string },
    options?: CallOptions
  ) => Promise<void>

  /**
   * A reservation of the user.
   *
   * Rejects with `request_invalid`, and with `reservation_not_found`, also if it is another user's.
   */
  readonly get: (
    input: { readonly userId: string; readonly reservationId: string },
    options?: CallOptions
  ) => Promise<Reservation>

  /**
   * A page of the user's reservations, newest first: `limit` of them (1 to 200, default 50).
   *
   * Rejects with `request_invalid`.
   */
  readonly list: (
    input: {
      readonly userId: string
      readonly limit?: number | undefined
      readonly after?: ReservationCursor | undefined
    },
    options?: CallOptions
  ) => Promise<ReservationsPage>

  /**
   * Records that holds have lapsed. Their seats are free from `holdExpiresAt` on, whether this is
   * called or not. `office.sweep()` does it for all lapsed holds. Rejects with `overloaded`.
   */
  readonly expire: (reservationIds: ReadonlyArray<string>, options?: CallOptions) => Promise<void>
}

/** The operations of {@link PromisedReservations}, with their errors as values. */
export interface ReservationResults {
  /** See {@link PromisedReservations.hold}. */
  readonly hold: (
    input: HoldInput,
    options?: CallOptions
  ) => Promise<Outcome<Reservation, HoldError>>
  /** See {@link PromisedReservations.release}. */
  readonly release: (
    input: { readonly userId: string; readonly reservationId: string },
    options?: CallOptions
  ) => Promise<Outcome<void, ReleaseError>>
  /** See {@link PromisedReservations.get}. */
  readonly get: (
    input: { readonly userId: string; readonly reservationId: string },
    options?: CallOptions
  ) => Promise<Outcome<Reservation, ReservationNotFound | RequestInvalid | StoreUnavailable>>
  /** See {@link PromisedReservations.list}. */
  readonly list: (
    input: {
      readonly userId: string
      readonly limit?: number | undefined
      readonly after?: ReservationCursor | undefined
    },
    options?: CallOptions
  ) => Promise<Outcome<ReservationsPage, RequestInvalid | StoreUnavailable>>
  /** See {@link PromisedReservations.expire}. */
  readonly expire: (
    reservationIds: ReadonlyArray<string>,
    options?: CallOptions
  ) => Promise<Outcome<void, Overloaded | StoreUnavailable>>
}
