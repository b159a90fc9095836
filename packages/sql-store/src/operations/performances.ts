/** Reads performances, and counts their seats. */
import { money, type PerformanceId, type ShowId } from "@boxoffice/core"
import type { PerformanceReading, StoredPerformance } from "@boxoffice/core/store"
import {
  performanceColumns,
  performanceOf,
  storedPerformanceColumns,
  storedPerformanceOf
} from "../columns/performance.ts"
import { bigint, instant, type Query, type Row } from "../Query.ts"
import type { SchemaName } from "../schemaName.ts"

export const readPerformance = (schema: SchemaName) => {
  const sql = `
    SELECT ${storedPerformanceColumns} FROM ${schema}.performance
    WHERE performance_id = $1::text`
  return (performanceId: PerformanceId): Query<StoredPerformance | undefined> => ({
    sql,
    params: [performanceId],
    read: ([row]) => row && storedPerformanceOf(row)
  })
}

/** The performances of a show, by start, each with the count of its seats at this time. */
export const readPerformances = (schema: SchemaName) => {
  const sql = `
    WITH clock AS MATERIALIZED (SELECT date_trunc('milliseconds', clock_timestamp()) AS now)
    SELECT clock.now, p.time_zone, counted.*, ${performanceColumns}
    FROM ${schema}.show w CROSS JOIN clock
    LEFT JOIN ${schema}.performance p USING (show_id)
    LEFT JOIN LATERAL (
      SELECT count(*), count(*) FILTER (WHERE free), min(s.price) FILTER (WHERE free),
        min(s.currency) FILTER (WHERE free)
      FROM ${schema}.seat s, LATERAL (
        SELECT s.status = 'available' OR s.status = 'held' AND s.held_until <= clock.now AS free
      ) standing
      WHERE s.performance_id = p.performance_id
    ) counted ON true
    WHERE w.show_id = $1::text
    ORDER BY p.starts_at, p.performance_id`
  type Reading = { readonly now: number; readonly performances: ReadonlyArray<PerformanceReading> }
  return (showId: ShowId): Query<Reading | undefined> => ({
    sql,
    params: [showId],
    read: (rows) =>
      rows[0] && {
        now: instant(rows[0][0]),
        // A show without performances gives one row of nulls.
        performances: rows[0][6] === null ? [] : rows.map(readingOf)
      }
  })
}

const readingOf = ([
  ,
  timeZone,
  totalSeats,
  availableSeats,
  amount,
  currency,
  ...performance
]: Row): PerformanceReading => ({
  ...performanceOf(performance),
  timeZone,
  totalSeats: Number(totalSeats),
  availableSeats: Number(availableSeats),
  priceFrom: amount === null ? null : money(bigint(amount), currency)
})

/** A performance, and the time of the database. */
export const readPerformanceNow = (schema: SchemaName) => {
  const sql = `
    SELECT ${performanceColumns}, date_trunc('milliseconds', clock_timestamp())
    FROM ${schema}.performance p JOIN ${schema}.show w USING (show_id)
    WHERE p.performance_id = $1::text`
  return (performanceId: PerformanceId) => ({
    sql,
    params: [performanceId],
    read: ([row]: ReadonlyArray<Row>) =>
      row && { performance: performanceOf(row), now: instant(row[6]) }
  })
}
