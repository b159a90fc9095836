import type { ReservationRow, RowNames, Seat } from "@boxoffice/core"
import { bigint, instant, millis, type Query, type Row, texts, uuids } from "../Query.ts"
import type { SchemaName } from "../schemaName.ts"
import { columnsOf } from "./holdings.ts"

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

/**
 * Lock 5, by reservation_id: the reservations that are named, and those whose seats are counted and
 * that may still be paid. One that has lapsed may be on its way to be confirmed in a transaction that
 * has not committed yet: what counts its seats waits for that.
 */
export const lockReservations = (schema: SchemaName) => {
  const sql = `
    SELECT ${reservationColumns} FROM ${schema}.reservation r
    WHERE r.reservation_id = ANY($1::uuid[] || ARRAY(
      SELECT held.reservation_id
      FROM unnest($2::text[], $3::text[]) AS holding (performance_id, user_id), LATERAL (
        SELECT h.reservation_id FROM ${schema}.reservation h
        WHERE h.performance_id = holding.performance_id AND h.user_id = holding.user_id
          AND h.status = 'held'
      ) held))
    ORDER BY r.reservation_id FOR NO KEY UPDATE`
  return ({
    reservations,
    holdings
  }: Pick<RowNames, "reservations" | "holdings">): Query<ReadonlyArray<ReservationRow>> => {
    const { performanceIds, userIds } = columnsOf(holdings)
    return {
      sql,
      params: [uuids(reservations), texts(performanceIds), texts(userIds)],
      // Those that are only counted are locked, and counted behind the lock.
      read: (rows) => rows.filter(([id]) => reservations.has(id)).map((row) => reservationOf(row))
    }
  }
}
