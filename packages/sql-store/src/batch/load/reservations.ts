import type { LoadPlan, ReservationRow } from "@boxoffice/core/store"
import { reservationColumns, reservationOf } from "../../columns/reservation.ts"
import { type Query, texts, uuids } from "../../Query.ts"
import type { SchemaName } from "../../schemaName.ts"
import { columnsOf } from "./holdings.ts"

/** Longer than all statements of a load may take together: see `begin.ts`. */
const longestLoad = "2 minutes"

/**
 * Lock 5, by reservation_id: the named reservations and, of users whose seats the batch counts, the
 * holds that have lapsed or will lapse before the batch has its locks. Another transaction may be
 * confirming such a hold and not have committed yet, so the count waits for it. All other
 * reservations count alike, held or paid.
 *
 * The statement finds these holds user by user, in a subquery that the planner cannot reorder, as a
 * range of the pair (status, hold_expires_at), which only the index of holdings can serve: see
 * `countHoldings`. As a join, planned while the table was new, it read every hold of the table: 104
 * ms with 100,000.
 */
export const lockReservations = (schema: SchemaName) => {
  // Guard lock-reservation: without "FOR NO KEY UPDATE", rowLocks.test "waits for a reservation" fails.
  // Guard lock-reservation-order: without "ORDER BY r.reservation_id ", locks.test "rows are sorted before" fails.
  // Guard lock-counted-holds: with "false" for "h.performance_id = holding…user_id", owners.test "still committing counts" fails.
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
      // The holds that are only counted are locked too, but not returned: `countHoldings` counts
      // them.
      read: (rows) => rows.filter(([id]) => reservations.has(id)).map((row) => reservationOf(row))
    }
  }
}
