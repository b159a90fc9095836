import type { LoadPlan, ReservationRow } from "@boxoffice/core"
import { reservationColumns, reservationOf } from "../../columns/reservation.ts"
import { type Query, texts, uuids } from "../../Query.ts"
import type { SchemaName } from "../../schemaName.ts"
import { columnsOf } from "./holdings.ts"

/** Longer than the statements of a load take together: see `load/begin.ts`. */
const longestLoad = "2 minutes"

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
