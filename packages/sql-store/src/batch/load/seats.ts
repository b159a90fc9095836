import type { LoadPlan, SeatRow } from "@boxoffice/core/store"
import { seatColumns, seatOf } from "../../columns/seat.ts"
import { type Query, texts, uuids } from "../../Query.ts"
import type { SchemaName } from "../../schemaName.ts"

/**
 * Lock 6, by performance and seat: the named seats, and those of the reservations that lock 5
 * holds, whose seats therefore cannot change any more.
 */
export const lockSeats = (schema: SchemaName) => {
  // Guard lock-seat: without "FOR NO KEY UPDATE OF s", rowLocks.test "waits for a seat" fails.
  // Guard lock-seat-order: without "ORDER BY s.performance_id, s.seat_id ", locks.test "rows are sorted before" fails.
  const sql = `
    WITH named AS (
      SELECT performance_id, seat_id
      FROM unnest($2::text[], $3::text[]) AS seat (performance_id, seat_id)
      UNION
      SELECT r.performance_id, seat ->> 'seatId'
      FROM ${schema}.reservation r, jsonb_array_elements(r.seats) seat
      WHERE r.reservation_id = ANY($1)
    )
    SELECT ${seatColumns} FROM named JOIN ${schema}.seat s USING (performance_id, seat_id)
    ORDER BY s.performance_id, s.seat_id FOR NO KEY UPDATE OF s`
  return (plan: Pick<LoadPlan, "seats" | "reservations">): Query<ReadonlyArray<SeatRow>> => {
    const performanceIds: Array<string> = []
    const seatIds: Array<string> = []
    // Many commands of a batch may name the same popular seat: it is sent once.
    const byPerformance = new Map<string, Set<string>>()
    for (const named of plan.seats) {
      const seen = byPerformance.get(named.performanceId) ?? new Set()
      byPerformance.set(named.performanceId, seen)
      for (const seatId of named.seatIds) {
        if (seen.has(seatId)) continue
        seen.add(seatId)
        performanceIds.push(named.performanceId)
        seatIds.push(seatId)
      }
    }
    return {
      sql,
      params: [uuids(plan.reservations), texts(performanceIds), texts(seatIds)],
      read: (rows) => rows.map(seatOf)
    }
  }
}
