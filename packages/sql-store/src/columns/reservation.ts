/** The columns of a reservation, and the form in which it stores its seats. */
import { money, type Seat } from "@boxoffice/core"
import type { ReservationRow } from "@boxoffice/core/store"
import { bigint, instant, millis, type Row } from "../Query.ts"

export const reservationColumns = `r.reservation_id, r.performance_id, r.user_id, r.seats, r.amount,
      r.currency, r.status, r.held_at, r.hold_expires_at, r.confirmed_at, r.ended_at, r.payment_id`

/** A seat as `reservation.seats` stores it. */
export interface StoredSeat {
  readonly seatId: string
  readonly section: string
  readonly row: string
  readonly number: string
  readonly amount: string
  readonly currency: string
}

/** Reads {@link reservationColumns}, from column `at` on. */
export const reservationOf = (row: Row, at = 0): ReservationRow => ({
  reservationId: row[at],
  performanceId: row[at + 1],
  userId: row[at + 2],
  seats: (row[at + 3] as ReadonlyArray<StoredSeat>).map(seatOf),
  amount: money(bigint(row[at + 4]), row[at + 5]),
  status: row[at + 6],
  heldAt: instant(row[at + 7]),
  holdExpiresAt: instant(row[at + 8]),
  confirmedAt: millis(row[at + 9]),
  endedAt: millis(row[at + 10]),
  paymentId: row[at + 11]
})

const seatOf = ({ seatId, section, row, number, amount, currency }: StoredSeat) =>
  ({ seatId, section, row, number, price: money(BigInt(amount), currency) }) as Seat
