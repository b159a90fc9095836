/** A reservation: a set of seats of one performance for one user, held and then paid for. */
import { Schema } from "effect"
import type { SeatStatus } from "../catalog/model.ts"
import { Seat } from "../catalog/model.ts"
import {
  PerformanceId,
  type QueueId,
  ReservationId,
  type SeatId,
  type TransferId,
  UserId
} from "../Ids.ts"
import { Instant } from "../Instant.ts"
import { Money } from "../Money.ts"

/** `held` → `confirmed` → `cancelled`; or `released`, or `expired`. */
export const ReservationStatus = Schema.Literals([
  "held",
  "confirmed",
  "released",
  "expired",
  "cancelled"
])
export type ReservationStatus = typeof ReservationStatus.Type

/** A reservation as its owner sees it. */
export const Reservation = Schema.Struct({
  reservationId: ReservationId,
  performanceId: PerformanceId,
  userId: UserId,
  seats: Schema.Array(Seat),
  /** The sum of the seats' prices when they were held. */
  amount: Money,
  status: ReservationStatus,
  heldAt: Instant,
  holdExpiresAt: Instant,
  /** Whole seconds left to pay; 0 once it is no longer held. */
  holdExpiresInSeconds: Schema.Int,
  confirmedAt: Schema.NullOr(Instant)
}).annotate({ identifier: "Reservation" })
export interface Reservation extends Schema.Schema.Type<typeof Reservation> {}

/** The cursor of a page of a user's reservations: the page begins after this one. */
export const ReservationCursor = Schema.Struct({
  /** In milliseconds since 1970, up to the year 9999: databases cannot store later instants. */
  heldAt: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 253_402_300_799_999 })),
  reservationId: Schema.String.check(Schema.isUUID())
})
export interface ReservationCursor extends Schema.Schema.Type<typeof ReservationCursor> {}

/**
 * An unpaid hold of a user: it shows until when the user needs to stay admitted, so that a payment
 * does not complete the token too early.
 */
export interface UnpaidHold {
  readonly reservationId: ReservationId
  readonly userId: UserId
  /** The queue in front of its performance. */
  readonly queueId: QueueId
  readonly holdExpiresAt: number
}

/** A reservation as stored. Instants are milliseconds since 1970 by the database's clock. */
export interface ReservationRow {
  readonly reservationId: ReservationId
  readonly performanceId: PerformanceId
  readonly userId: UserId
  readonly seats: ReadonlyArray<Seat>
  readonly amount: Money
  readonly status: ReservationStatus
  readonly heldAt: number
  readonly holdExpiresAt: number
  readonly confirmedAt: number | null
  readonly endedAt: number | null
  readonly paymentId: TransferId | null
}

/** A seat as stored, with the reservation that has it and the end of the hold. */
export interface SeatRow {
  readonly performanceId: PerformanceId
  readonly seatId: SeatId
  readonly section: string
  readonly row: string
  readonly number: string
  readonly price: Money
  readonly status: SeatStatus
  readonly reservationId: ReservationId | null
  readonly heldUntil: number | null
}

/** The status of a stored seat at an instant. A seat of a lapsed hold is available. */
export const seatStatusAt = (
  seat: Pick<SeatRow, "status" | "heldUntil">,
  now: number
): SeatStatus =>
  seat.status === "held" && seat.heldUntil !== null && seat.heldUntil <= now
    ? "available"
    : seat.status

/** The status of a stored reservation at an instant. A lapsed hold is expired. */
export const reservationStatusAt = (
  reservation: Pick<ReservationRow, "status" | "holdExpiresAt">,
  now: number
): ReservationStatus =>
  reservation.status === "held" && reservation.holdExpiresAt <= now ? "expired" : reservation.status

/** A stored reservation as its owner sees it at an instant. */
export const toReservation = (row: ReservationRow, now: number): Reservation => {
  const status = reservationStatusAt(row, now)
  return {
    reservationId: row.reservationId,
    performanceId: row.performanceId,
    userId: row.userId,
    seats: row.seats,
    amount: row.amount,
    status,
    heldAt: new Date(row.heldAt),
    holdExpiresAt: new Date(row.holdExpiresAt),
    holdExpiresInSeconds:
      status === "held" ? Math.max(0, Math.ceil((row.holdExpiresAt - now) / 1000)) : 0,
    confirmedAt: row.confirmedAt === null ? null : new Date(row.confirmedAt)
  }
}
