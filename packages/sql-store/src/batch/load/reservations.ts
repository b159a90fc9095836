import { money, type Seat } from "@boxoffice/core"
import type { LoadPlan, ReservationRow } from "@boxoffice/core/store"
import { bigint, instant, millis, type Query, type Row, texts, uuids } from "../../Query.ts"
import type { SchemaName } from "../../schemaName.ts"
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

/** Longer than the statements of a load take together: see `load/begin.ts`. */
const longestLoad = "2 minutes"

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

/**
 * Lock 5, by reservation_id: the reservations that are named, and of the users whose seats are
 * counted those that have lapsed, or will before the batch has its locks. One of these may be on its
 * way to be confirmed in a transaction that has not committed yet: what counts its seats waits for
 * that. All others count whether they are held or paid.
 *
 * They are found user by user, in a subquery that the server cannot turn round, as a range of the
 * pair (status, hold_expires_at), which only the index of holdings can serve: see `countHoldings`.
 * Joined, and planned while the table was new, it read every hold there was: 104 ms with 100,000.
 */
export const lockReservations = (schema: SchemaName) => {
  const sql = `
    SELECT ${reservationColumns} FROM ${schema}.reservation r
    WHERE r.reservation_id = ANY($1::uuid[] || ARRAY(
      SELECT unnest(ARRAY(
        SELECT h.reservation_id FROM ${schema}.reservation h
        WHERE h.performance_id = holding.performance_id AND h.user_id = holding.user_id
          AND h.status IN ('held', 'confirmed')
          AND (h.status, h.hold_expires_at) >= ('held', '-infinity')
          AND (h.status, h.hold_expires_at)
            <= ('held', (SELECT clock_timestamp()) + interval '${longestLoad}')
      ))
      FROM unnest($2::text[], $3::text[]) AS holding (performance_id, user_id)))
    ORDER BY r.reservation_id FOR NO KEY UPDATE`
  return ({
    reservations,
    seatCounts
  }: Pick<LoadPlan, "reservations" | "seatCounts">): Query<ReadonlyArray<ReservationRow>> => {
    const { performanceIds, userIds } = columnsOf(seatCounts)
    return {
      sql,
      params: [uuids(reservations), texts(performanceIds), texts(userIds)],
      // Those that are only counted are locked, and counted behind the lock.
      read: (rows) => rows.filter(([id]) => reservations.has(id)).map((row) => reservationOf(row))
    }
  }
}
