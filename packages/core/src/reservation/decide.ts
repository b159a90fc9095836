/** Who may hold seats, and let them go. Pure: rows in, events or a refusal out. */
import { Result } from "effect"
import { PerformanceNotFound, SeatNotFound } from "../catalog/errors.ts"
import { isOnSale, type Seat } from "../catalog/model.ts"
import type { HoldLapsed, HoldReleased, SeatsHeld } from "../Events.ts"
import type { PerformanceId, ReservationId, SeatId, UserId } from "../Ids.ts"
import type { PolicySettings } from "../Policies.ts"
import type { Rows } from "../Rows.ts"
import {
  LimitExceeded,
  ReservationNotFound,
  ReservationNotPayable,
  type SeatConflict,
  SeatUnavailable
} from "./errors.ts"
import { type ReservationRow, reservationStatusAt, type SeatRow, seatStatusAt } from "./model.ts"

export interface Hold {
  readonly reservationId: ReservationId
  readonly userId: UserId
  readonly performanceId: PerformanceId
  readonly seatIds: ReadonlyArray<SeatId>
}

export type HoldRefusal = PerformanceNotFound | SeatNotFound | SeatUnavailable | LimitExceeded

/** All of the seats, or none and every reason why. */
export const decideHold = (
  rows: Rows,
  hold: Hold,
  policies: Pick<PolicySettings, "holdSeconds" | "seatsPerReservation" | "seatsPerUser">
): Result.Result<SeatsHeld, HoldRefusal> => {
  const { performanceId, userId, seatIds } = hold
  const performance = rows.performances.get(performanceId)
  if (performance === undefined) return Result.fail(new PerformanceNotFound())

  const onSale = isOnSale(performance, rows.now)
  const missing: Array<SeatId> = []
  const conflicts: Array<SeatConflict> = []
  const seats: Array<SeatRow> = []
  for (const seatId of seatIds) {
    const seat = rows.seat(performanceId, seatId)
    if (seat === undefined) {
      missing.push(seatId)
      continue
    }
    const status = seatStatusAt(seat, rows.now)
    if (status !== "available") conflicts.push({ seatId, reason: status })
    else if (!onSale) conflicts.push({ seatId, reason: "blocked" })
    else seats.push(seat)
  }
  if (missing.length > 0) return Result.fail(new SeatNotFound({ seatIds: missing }))
  if (conflicts.length > 0) return Result.fail(new SeatUnavailable({ conflicts }))

  const { seatsPerReservation, seatsPerUser } = policies
  if (seatIds.length > seatsPerReservation) {
    return Result.fail(
      new LimitExceeded({ name: "seatsPerReservation", limit: seatsPerReservation })
    )
  }
  if (rows.seatsOf(performanceId, userId) + seatIds.length > seatsPerUser) {
    return Result.fail(new LimitExceeded({ name: "seatsPerUser", limit: seatsPerUser }))
  }
  return Result.succeed({
    _tag: "SeatsHeld",
    reservationId: hold.reservationId,
    performanceId,
    userId,
    seats: seats.map(toSeat),
    amount: {
      // Seats of one performance share a currency: the catalogue refuses anything else.
      amount: seats.reduce((sum, seat) => sum + seat.price.amount, 0n),
      currency: seats[0]!.price.currency
    },
    holdExpiresAt: rows.now + policies.holdSeconds * 1_000,
    at: rows.now
  })
}

const toSeat = ({ seatId, section, row, number, price }: SeatRow): Seat => ({
  seatId,
  section,
  row,
  number,
  price
})

/** Releasing what has ended already changes nothing; what is paid for cannot be released. */
export const decideRelease = (
  rows: Rows,
  release: { readonly reservationId: ReservationId; readonly userId: UserId }
): Result.Result<HoldReleased | undefined, ReservationNotFound | ReservationNotPayable> => {
  const reservation = rows.reservations.get(release.reservationId)
  if (reservation === undefined || reservation.userId !== release.userId) {
    return Result.fail(new ReservationNotFound())
  }
  const status = reservationStatusAt(reservation, rows.now)
  if (status === "confirmed" || status === "cancelled") {
    return Result.fail(new ReservationNotPayable({ status }))
  }
  if (status !== "held") return Result.succeed(undefined)
  const { reservationId, performanceId, userId } = reservation
  const seatIds = ownSeats(rows, reservation)
  return Result.succeed({
    _tag: "HoldReleased",
    reservationId,
    performanceId,
    userId,
    seatIds,
    at: rows.now
  })
}

/** Tidies a hold that has lapsed. Its seats were free already; some may have a new owner. */
export const decideExpiry = (rows: Rows, reservationId: ReservationId): HoldLapsed | undefined => {
  const reservation = rows.reservations.get(reservationId)
  if (reservation === undefined || reservation.status !== "held") return undefined
  if (reservationStatusAt(reservation, rows.now) !== "expired") return undefined
  const { performanceId, userId, holdExpiresAt } = reservation
  return {
    _tag: "HoldLapsed",
    reservationId,
    performanceId,
    userId,
    holdExpiresAt,
    seatIds: ownSeats(rows, reservation),
    at: rows.now
  }
}

/** The seats of a reservation that are still its own: a lapsed hold may have lost some. */
export const ownSeats = (rows: Rows, reservation: ReservationRow): ReadonlyArray<SeatId> =>
  reservation.seats
    .map((seat) => seat.seatId)
    .filter(
      (seatId) =>
        rows.seat(reservation.performanceId, seatId)?.reservationId === reservation.reservationId
    )
