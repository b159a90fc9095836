import type { SeatRow } from "@boxoffice/core/store"
import { instants, type Query, texts, uuids } from "../../Query.ts"
import type { SchemaName } from "../../schemaName.ts"

/**
 * Writes the status and owner of seats. The rows are locked. Comes behind the reservations, since
 * an owner must exist.
 */
export const saveSeats = (schema: SchemaName) => {
  const sql = `
    UPDATE ${schema}.seat s
    SET status = saved.status, reservation_id = saved.reservation_id,
      held_until = saved.held_until, changes = s.changes + 1
    FROM unnest($1::text[], $2::text[], $3::text[], $4::uuid[], $5::timestamptz[])
      AS saved (performance_id, seat_id, status, reservation_id, held_until)
    WHERE s.performance_id = saved.performance_id AND s.seat_id = saved.seat_id`
  return (rows: ReadonlyArray<SeatRow>): Query<void> => ({
    sql,
    params: [
      texts(rows.map((row) => row.performanceId)),
      texts(rows.map((row) => row.seatId)),
      texts(rows.map((row) => row.status)),
      uuids(rows.map((row) => row.reservationId)),
      instants(rows.map((row) => row.heldUntil))
    ],
    read: () => {}
  })
}
