import type { ReservationId, ReservationRow, Seat } from "@boxoffice/core"
import { bigint, instant, millis, type Query, type Row, uuids } from "../Query.ts"
import type { SchemaName } from "../schemaName.ts"

export const reservationColumns = `r.reservation_id, r.performance_id, r.user_id, r.seats, r.amount,
      r.currency, r.status, r.held_at, r.hold_expires_at, r.confirmed_at, r.ended_at, r.payment_id`

/** A seat as it stands in `reservation.seats`. */
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
  amount: { amount: bigint(row[at + 4]), currency: row[at + 5] },
  status: row[at + 6],
  heldAt: instant(row[at + 7]),
  holdExpiresAt: instant(row[at + 8]),
  confirmedAt: millis(row[at + 9]),
  endedAt: millis(row[at + 10]),
  paymentId: row[at + 11]
})

const seatOf = ({ seatId, section, row, number, amount, currency }: StoredSeat) =>
  ({ seatId, section, row, number, price: { amount: BigInt(amount), currency } }) as Seat

/** Lock 5, by reservation_id. */
export const lockReservations = (schema: SchemaName) => {
  const sql = `
    SELECT ${reservationColumns} FROM ${schema}.reservation r
    WHERE r.reservation_id = ANY($1)
    ORDER BY r.reservation_id FOR NO KEY UPDATE`
  return (reservationIds: Iterable<ReservationId>): Query<ReadonlyArray<ReservationRow>> => ({
    sql,
    params: [uuids(reservationIds)],
    read: (rows) => rows.map((row) => reservationOf(row))
  })
}
