/** Reads the seats of a performance. */
import type { PerformanceId } from "@boxoffice/core"
import type { SeatRow } from "@boxoffice/core/store"
import { seatColumns, seatOf } from "../columns/seat.ts"
import type { Query } from "../Query.ts"
import type { SchemaName } from "../schemaName.ts"

export interface SeatsAndVersion {
  readonly version: number
  readonly seats: ReadonlyArray<SeatRow>
}

/**
 * All seats of a performance, in the order of their insertion; no rows if the version has not
 * changed. For 50,000 seats that saves all but 8 ms of 60, and as much again in the caller that
 * decodes them.
 */
export const readSeats = (schema: SchemaName) => {
  const sql = `
    SELECT ${seatColumns}, s.changes FROM ${schema}.seat s
    WHERE s.performance_id = $1::text AND ($2::int8 IS NULL OR $2::int8 <> (
      SELECT 2 * sum(c.changes) FROM ${schema}.seat c WHERE c.performance_id = $1::text))
    ORDER BY s.ordinal, s.seat_id`
  return (performanceId: PerformanceId, before?: SeatsAndVersion): Query<SeatsAndVersion> => ({
    sql,
    params: [performanceId, before === undefined ? null : BigInt(before.version)],
    read: (rows) => {
      if (rows.length === 0 && before !== undefined) return before
      let changes = 0
      for (const row of rows) changes += Number(row[10])
      return { version: 2 * changes, seats: rows.map(seatOf) }
    }
  })
}
