import type { PerformanceId, SeatRow } from "@boxoffice/core"
import { seatColumns, seatOf } from "../load/seats.ts"
import type { Query } from "../Query.ts"
import type { SchemaName } from "../schemaName.ts"

export interface SeatsAndVersion {
  readonly version: number
  readonly seats: ReadonlyArray<SeatRow>
}

/** All seats of a performance, as they were added. */
export const readSeats = (schema: SchemaName) => {
  const sql = `
    SELECT ${seatColumns}, s.changes FROM ${schema}.seat s
    WHERE s.performance_id = $1::text ORDER BY s.ordinal, s.seat_id`
  return (performanceId: PerformanceId): Query<SeatsAndVersion> => ({
    sql,
    params: [performanceId],
    read: (rows) => {
      let changes = 0
      for (const row of rows) changes += Number(row[10])
      return { version: 2 * changes, seats: rows.map(seatOf) }
    }
  })
}
