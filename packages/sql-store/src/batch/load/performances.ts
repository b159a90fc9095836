import type { LoadPlan, PerformanceRow } from "@boxoffice/core/store"
import { instant, millis, type Query, type Row, texts, uuids } from "../../Query.ts"
import type { SchemaName } from "../../schemaName.ts"

/** Performance `p` of show `w`. */
export const performanceColumns =
  "p.performance_id, p.show_id, w.queue_id, p.starts_at, w.sales_open_at, w.sales_close_at"

/** Reads {@link performanceColumns}. */
export const performanceOf = (row: Row): PerformanceRow => ({
  performanceId: row[0],
  showId: row[1],
  queueId: row[2],
  startsAt: instant(row[3]),
  salesOpenAt: millis(row[4]),
  salesCloseAt: millis(row[5])
})

/** The performances of what is named. Not locked: no command changes them. */
export const loadPerformances = (schema: SchemaName) => {
  const sql = `
    SELECT ${performanceColumns}
    FROM ${schema}.performance p JOIN ${schema}.show w USING (show_id)
    WHERE p.performance_id = ANY($2::text[] || ARRAY(
      SELECT r.performance_id FROM ${schema}.reservation r
      WHERE r.reservation_id = ANY($1)))`
  return (
    plan: Pick<LoadPlan, "seats" | "seatCounts" | "reservations">
  ): Query<ReadonlyArray<PerformanceRow>> => {
    const performanceIds = new Set<string>()
    for (const { performanceId } of plan.seats) performanceIds.add(performanceId)
    for (const { performanceId } of plan.seatCounts) performanceIds.add(performanceId)
    return {
      sql,
      params: [uuids(plan.reservations), texts(performanceIds)],
      read: (rows) => rows.map(performanceOf)
    }
  }
}
