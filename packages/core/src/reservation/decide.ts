/** Rules of holding seats and releasing them. Pure: rows in, events or a refusal out. */
import { Result } from "effect"
import { PerformanceNotFound, SeatNotFound } from "../catalog/errors.ts"
import { isOnSale, type Seat } from "../catalog/model.ts"
import type { HoldLapsed, HoldReleased, SeatsHeld } from "../Events.ts"
import type { Rows } from "../engine/Rows.ts"
import type { PerformanceId, ReservationId, SeatId, UserId } from "../Ids.ts"
import { copyMoney, money } from "../Money.ts"
import type { PolicyFailed } from "../policies/errors.ts"
import { askHoldLimits, askHoldTerms } from "../policies/evaluate.ts"
import { amountMaxOf, type HoldRequest, type PolicyOptions } from "../policies/rules.ts"
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

export type HoldRefusal =
  | PerformanceNotFound
  | SeatNotFound
  | SeatUnavailable
  | LimitExceeded
  | PolicyFailed

/**
 * Seat ids of a request as a refusal repeats them: at most 20, each cut to the 64 letters that an
 * id can have. This bounds the size of the refusal, which is recorded for the command's idempotency
 * key.
 */
const listed = (names: ReadonlyArray<string>): ReadonlyArray<string> =>
  // Guard hold-missing-listed: without ".slice(0, missingListed)", reservation.test "repeats no more" fails.
  names.slice(0, missingListed).map((name) => {
    const letters = Array.from(name)
    // Guard hold-missing-letters: with "false" for "letters.length > 64", reservation.test "repeats no more" fails.
    return letters.length > 64 ? `${letters.slice(0, 64).join("")}…` : name
  })
const missingListed = 20

/** Holds all of the seats, or none: then the refusal lists the reason for each seat. */
export const decideHold = (
  rows: Rows,
  hold: Hold,
  policies: Pick<PolicyOptions, "holdSeconds" | "seatsPerReservation" | "seatsPerUser" | "price"> &
    Partial<Pick<PolicyOptions, "walletCeiling">>
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
    // Guard hold-on-sale: without it, reservation.test "not yet on sale" fails.
    else if (!onSale) conflicts.push({ seatId, reason: "blocked" })
    else seats.push(seat)
  }
  // Guard hold-seats-exist: without it, reservation.test "seats that do not exist" fails.
  if (missing.length > 0) return Result.fail(new SeatNotFound({ seatIds: listed(missing) }))
  // Guard hold-seats-free: without it, reservation.test "refuses unavailable seats" fails.
  if (conflicts.length > 0) return Result.fail(new SeatUnavailable({ conflicts }))

  const seatsOfUser = rows.seatsOf(performanceId, userId)
  const request = (): HoldRequest => ({
    userId,
    showId: performance.showId,
    performanceId,
    startsAt: new Date(performance.startsAt),
    seats: seats.map(copySeat),
    seatsOfUser,
    now: new Date(rows.now)
  })
  const limits = askHoldLimits(policies, request)
  if (Result.isFailure(limits)) return Result.fail(limits.failure)
  const { seatsPerReservation, seatsPerUser } = limits.success
  // Guard seats-per-reservation: without it, reservation.test "seats per reservation" fails.
  if (seatIds.length > seatsPerReservation) {
    return Result.fail(
      new LimitExceeded({ name: "seatsPerReservation", limit: seatsPerReservation })
    )
  }
  // Guard seats-per-user: without it, reservation.test "seats per user" fails.
  if (seatsOfUser + seatIds.length > seatsPerUser) {
    return Result.fail(new LimitExceeded({ name: "seatsPerUser", limit: seatsPerUser }))
  }
  const terms = askHoldTerms(policies, request)
  if (Result.isFailure(terms)) return Result.fail(terms.failure)
  const { holdSeconds, prices } = terms.success
  const held = seats.map((seat, i) => toSeat(seat, prices?.[i]))
  const sum = held.reduce((sum, seat) => sum + seat.price.amount, 0n)
  const amountMax = amountMaxOf(policies)
  // Guard reservation-amount: without it, reservation.test "JSON could not carry" fails.
  if (sum > amountMax) {
    return Result.fail(new LimitExceeded({ name: "reservationAmount", limit: Number(amountMax) }))
  }
  return Result.succeed({
    _tag: "SeatsHeld",
    reservationId: hold.reservationId,
    performanceId,
    userId,
    seats: held,
    // All seats of a performance have its currency: the database's schema enforces that.
    amount: money(sum, held[0]!.price.currency),
    holdExpiresAt: rows.now + holdSeconds * 1_000,
    at: rows.now
  })
}

const toSeat = ({ seatId, section, row, number, price }: SeatRow, amount?: bigint): Seat => ({
  seatId,
  section,
  row,
  number,
  price: amount === undefined ? price : money(amount, price.currency)
})

/** A copy of a seat, which a policy may change. */
export const copySeat = ({ seatId, section, row, number, price }: Seat): Seat => ({
  seatId,
  section,
  row,
  number,
  price: copyMoney(price)
})

/** Releasing a hold that has ended changes nothing. A paid reservation cannot be released. */
export const decideRelease = (
  rows: Rows,
  release: { readonly reservationId: ReservationId; readonly userId: UserId }
): Result.Result<HoldReleased | undefined, ReservationNotFound | ReservationNotPayable> => {
  const reservation = rows.reservations.get(release.reservationId)
  // Guard release-own: without " || res…release.userId", reservation.test "the same as none" fails.
  if (reservation === undefined || reservation.userId !== release.userId) {
    return Result.fail(new ReservationNotFound())
  }
  const status = reservationStatusAt(reservation, rows.now)
  // Guard release-unpaid: without it, reservation.test "refuses what is" fails.
  if (status === "confirmed" || status === "cancelled") {
    return Result.fail(new ReservationNotPayable({ status }))
  }
  // Guard release-once: without it, reservation.test "changes nothing once" fails.
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

/** Records that a hold has lapsed. Its seats were free already; some may belong to another hold. */
export const decideExpiry = (rows: Rows, reservationId: ReservationId): HoldLapsed | undefined => {
  const reservation = rows.reservations.get(reservationId)
  // Guard expiry-once: without ` || reservation.status !== "held"`, reservation.test "changes nothing once" fails.
  if (reservation === undefined || reservation.status !== "held") return undefined
  // Guard expiry-lapsed: without it, reservation.test "leaves a live hold" fails.
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

/** The seats that a reservation still has: other users may have taken some of a lapsed hold. */
export const ownSeats = (rows: Rows, reservation: ReservationRow): ReadonlyArray<SeatId> =>
  reservation.seats
    .map((seat) => seat.seatId)
    .filter(
      (seatId) =>
        // Guard own-seats: with "true" for "rows.seat(…reservation.reservationId", reservation.test "has taken since" fails.
        rows.seat(reservation.performanceId, seatId)?.reservationId === reservation.reservationId
    )
