/**
 * Additions to the catalogue. The batch has decided that they are new and that their parents exist.
 */
import type { Performance, Show } from "@boxoffice/core"
import type { SeatRow } from "@boxoffice/core/store"
import { bigints, type Query, texts } from "../../Query.ts"
import type { SchemaName } from "../../schemaName.ts"

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

/**
 * Inserts seats in the given order, behind those that exist. The performances are locked, so no
 * other batch numbers seats at the same time. The first seats of a performance fix its currency.
 */
export const insertSeats = (schema: SchemaName) => {
  const sql = `
    WITH added AS MATERIALIZED (
      SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::int8[],
        $7::text[], $8::text[]) WITH ORDINALITY AS seat (performance_id, seat_id, section, seat_row,
        seat_number, price, currency, status, position)
    ), behind AS MATERIALIZED (
      SELECT performance_id, min(currency) AS currency, coalesce((
        SELECT max(s.ordinal) FROM ${schema}.seat s WHERE s.performance_id = added.performance_id
      ), 0) AS ordinal
      FROM added GROUP BY performance_id
    ), fixed AS (
      UPDATE ${schema}.performance p SET currency = behind.currency FROM behind
      WHERE p.performance_id = behind.performance_id AND p.currency IS NULL
    )
    INSERT INTO ${schema}.seat (performance_id, seat_id, section, seat_row, seat_number, price,
      currency, status, ordinal)
    SELECT performance_id, seat_id, section, seat_row, seat_number, price, added.currency, status,
      behind.ordinal + position
    FROM added JOIN behind USING (performance_id)`
  return (seats: ReadonlyArray<SeatRow>): Query<void> => ({
    sql,
    params: [
      texts(seats.map((seat) => seat.performanceId)),
      texts(seats.map((seat) => seat.seatId)),
      texts(seats.map((seat) => seat.section)),
      texts(seats.map((seat) => seat.row)),
      texts(seats.map((seat) => seat.number)),
      bigints(seats.map((seat) => seat.price.amount)),
      texts(seats.map((seat) => seat.price.currency)),
      texts(seats.map((seat) => seat.status))
    ],
    read: nothing
  })
}
