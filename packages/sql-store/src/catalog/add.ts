/**
 * Additions to the catalogue: one insert each, which the schema's keys and references judge. A
 * duplicate key means that it is there already; an orphan, that what it belongs to is not.
 */
import type {
  CodeRow,
  NewSeat,
  Opening,
  Performance,
  PerformanceId,
  QueueId,
  QueueSettings,
  Show
} from "@boxoffice/core"
import { bigints, type Query, texts } from "../Query.ts"
import type { SchemaName } from "../schemaName.ts"

const nothing = () => {}

export const insertQueue = (schema: SchemaName) => {
  const sql = `
    INSERT INTO ${schema}.queue (queue_id, max_active, admit_per_minute, claim_seconds,
      session_seconds, priority_share_percent, absence_seconds, opens_at, lottery_seed)
    VALUES ($1::text, $2::int4, $3::int4, $4::int4, $5::int4, $6::int4, $7::int4,
      $8::timestamptz, $9::text)`
  return (
    queueId: QueueId,
    settings: QueueSettings,
    opening?: Opening | null | undefined
  ): Query<void> => ({
    sql,
    params: [
      queueId,
      settings.maxActive,
      settings.admitPerMinute,
      settings.claimSeconds,
      settings.sessionSeconds,
      settings.prioritySharePercent,
      settings.absenceSeconds,
      opening ? new Date(opening.opensAt) : null,
      opening?.seed ?? null
    ],
    read: nothing
  })
}

/** All or none. A code that is there already can be used as often as is said now. */
export const insertCodes = (schema: SchemaName) => {
  const sql = `
    INSERT INTO ${schema}.queue_code (queue_id, code_hash, uses_left)
    SELECT * FROM unnest($1::text[], $2::text[], $3::int8[]) AS added (queue_id, code_hash)
    ORDER BY queue_id, code_hash
    ON CONFLICT (queue_id, code_hash) DO UPDATE SET uses_left = excluded.uses_left`
  return (codes: ReadonlyArray<CodeRow>): Query<void> => ({
    sql,
    params: [
      texts(codes.map(({ queueId }) => queueId)),
      texts(codes.map(({ codeHash }) => codeHash)),
      bigints(codes.map(({ usesLeft }) => BigInt(usesLeft)))
    ],
    read: nothing
  })
}

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

/** All or none: it is one statement. */
export const insertSeats = (schema: SchemaName) => {
  const sql = `
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
