import type { LoadPlan, PerformanceRow } from "@boxoffice/core/store"
import { performanceColumns, performanceOf } from "../../columns/performance.ts"
import { type Query, texts, uuids } from "../../Query.ts"
import type { SchemaName } from "../../schemaName.ts"

/** Performances of the named seats and reservations. Not locked, since no command changes them. */
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
