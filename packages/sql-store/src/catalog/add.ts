/**
 * Additions to the catalogue: one insert each, which the schema's keys and references judge. A
 * duplicate key means that it is there already; an orphan, that what it belongs to is not.
 */
import type { NewSeat, Performance, PerformanceId, Show } from "@boxoffice/core"
import { bigints, type Query, texts } from "../Query.ts"
import type { SchemaName } from "../schemaName.ts"

const nothing = () => {}

export const insertShow = (schema: SchemaName) => {
  const sql = `
    INSERT INTO ${schema}.show (show_id, title, queue_id, sales_open_at, sales_close_at)
    VALUES ($1::text, $2::text, $3::text, $4::timestamptz, $5::timestamptz)`
  return (show: Show): Query<void> => ({
    sql,
    params: [show.showId, show.title, show.queueId, show.salesOpenAt, show.salesCloseAt],
    read: nothing
  })
}

export const insertPerformance = (schema: SchemaName) => {
  const sql = `
    INSERT INTO ${schema}.performance (performance_id, show_id, starts_at, time_zone)
    VALUES ($1::text, $2::text, $3::timestamptz, $4::text)`
  return ({ performanceId, showId, startsAt, timeZone }: Performance): Query<void> => ({
    sql,
    params: [performanceId, showId, startsAt, timeZone],
    read: nothing
  })
}

/** All or none: it is one statement. The first seats of a performance fix its currency. */
export const insertSeats = (schema: SchemaName) => {
  const sql = `
    WITH fixed AS (
      UPDATE ${schema}.performance SET currency = ($7::text[])[1]
      WHERE performance_id = $1::text AND currency IS NULL
    )
    INSERT INTO ${schema}.seat (performance_id, seat_id, section, seat_row, seat_number, price,
      currency, status, ordinal)
    SELECT $1::text, added.*, (
      SELECT coalesce(max(s.ordinal), 0) FROM ${schema}.seat s WHERE s.performance_id = $1::text
    ) + row_number() OVER ()
    FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::int8[], $7::text[],
      $8::text[]) AS added`
  return (performanceId: PerformanceId, seats: ReadonlyArray<NewSeat>): Query<void> => ({
    sql,
    params: [
      performanceId,
      texts(seats.map((seat) => seat.seatId)),
      texts(seats.map((seat) => seat.section)),
      texts(seats.map((seat) => seat.row)),
      texts(seats.map((seat) => seat.number)),
      bigints(seats.map((seat) => seat.price.amount)),
      texts(seats.map((seat) => seat.price.currency)),
      texts(seats.map((seat) => (seat.blocked ? "blocked" : "available")))
    ],
    read: nothing
  })
}
