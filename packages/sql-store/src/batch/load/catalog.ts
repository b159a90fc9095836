/** What a batch loads to decide on additions to the catalogue. */
import type { Show, ShowId } from "@boxoffice/core"
import type { LoadPlan, SeatRow, StoredPerformance } from "@boxoffice/core/store"
import { storedPerformanceColumns, storedPerformanceOf } from "../../columns/performance.ts"
import { seatColumns, seatOf } from "../../columns/seat.ts"
import { showColumns, showOf } from "../../columns/show.ts"
import { type Query, texts } from "../../Query.ts"
import type { SchemaName } from "../../schemaName.ts"

/** Not locked, since no command changes a show. */
export const loadShows = (schema: SchemaName) => {
  const sql = `SELECT ${showColumns} FROM ${schema}.show WHERE show_id = ANY($1)`
  return (showIds: Iterable<ShowId>): Query<ReadonlyArray<Show>> => ({
    sql,
    params: [texts(showIds)],
    read: (rows) => rows.map(showOf)
  })
}

/**
 * The last lock, by performance_id: batches that add seats to the same performance run one after
 * the other. Buyers do not take this lock, so they do not wait.
 */
export const lockPerformances = (schema: SchemaName) => {
  // Guard lock-performance: without "FOR NO KEY UPDATE", rowLocks.test "waits for a performance" fails.
  const sql = `
    SELECT ${storedPerformanceColumns} FROM ${schema}.performance WHERE performance_id = ANY($1)
    ORDER BY performance_id FOR NO KEY UPDATE`
  return (performanceIds: LoadPlan["performances"]): Query<ReadonlyArray<StoredPerformance>> => ({
    sql,
    params: [texts(performanceIds)],
    read: (rows) => rows.map(storedPerformanceOf)
  })
}

/**
 * Not locked: of an existing seat only its owner and status change, and this load needs neither.
 */
export const loadSeatsThere = (schema: SchemaName) => {
  const sql = `
    SELECT ${seatColumns}
    FROM unnest($1::text[], $2::text[]) AS named (performance_id, seat_id)
    JOIN ${schema}.seat s USING (performance_id, seat_id)`
  return (named: LoadPlan["seatsToRead"]): Query<ReadonlyArray<SeatRow>> => ({
    sql,
    params: [
      texts(named.flatMap(({ performanceId, seatIds }) => seatIds.map(() => performanceId))),
      texts(named.flatMap(({ seatIds }) => seatIds))
    ],
    read: (rows) => rows.map(seatOf)
  })
}
