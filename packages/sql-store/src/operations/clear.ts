/**
 * Deletes what is older than it has to be, the oldest first and so many at a time.
 *
 * What all of these share: rows that somebody has locked wait for the next time, so that nobody waits
 * for a clearing and it waits for nobody. The time is a subquery, which is asked once, so that the index
 * is searched by it; without one, every row that ever was is read. And it is the database's time alone.
 */
import { clock } from "../columns/queue.ts"
import type { Query } from "../Query.ts"
import type { SchemaName } from "../schemaName.ts"

/** So many milliseconds ago, of parameter `$1`. */
export const ago = "(SELECT clock_timestamp()) - $1::int8 * interval '1 millisecond'"

/**
 * Notes the last instant of what a DELETE, `gone`, returns as `at`: see `cleared` in `migrations/`. That
 * is the last that a row has, since it need not be that of its end: the clock may have stepped back.
 */
export const noted = (schema: SchemaName, kind: string) => `noted AS (
      INSERT INTO ${schema}.cleared AS c (kind, up_to)
      SELECT '${kind}', max(at) FROM gone HAVING count(*) > 0
      ON CONFLICT (kind) DO UPDATE SET up_to = greatest(c.up_to, excluded.up_to)
    )`

export const clearing =
  (sql: string) =>
  (olderThanMs: number, limit: number): Query<number> => ({
    sql,
    params: [BigInt(olderThanMs), BigInt(limit)],
    read: ([row]) => Number(row![0])
  })

/** Tokens that have ended. What happened stays in the outbox for as long as that is kept. */
export const clearTokens = (schema: SchemaName) =>
  clearing(`
    WITH gone AS (
      DELETE FROM ${schema}.queue_token WHERE token_id = ANY(ARRAY(
        SELECT token_id FROM ${schema}.queue_token
        WHERE ended_at IS NOT NULL AND ended_at <= ${ago}
        ORDER BY ended_at LIMIT $2::int8 FOR UPDATE SKIP LOCKED
      ))
      RETURNING greatest(joined_at, admitted_at, ended_at) AS at
    ), ${noted(schema, "queue_token")}
    SELECT count(*) FROM gone`)

/**
 * Reservations that were never paid. One that has a seat or a transfer nevertheless is left for
 * whoever finds out why: the schema keeps it, and it must not keep the others.
 *
 * Each is asked about by itself: `OFFSET 0` keeps the planner from joining all seats with all
 * reservations. The seats are an array, which it takes for ten; taken for a hundred, as a join has it,
 * they looked dear enough to compile the statement, for a quarter of a second each time.
 */
export const clearReservations = (schema: SchemaName) =>
  clearing(`
    WITH gone AS (
      DELETE FROM ${schema}.reservation WHERE reservation_id = ANY(ARRAY(
        SELECT r.reservation_id FROM ${schema}.reservation r
        WHERE r.status IN ('released', 'expired') AND r.ended_at <= ${ago}
          AND NOT EXISTS (
            SELECT FROM ${schema}.seat s
            WHERE s.performance_id = r.performance_id AND s.reservation_id = r.reservation_id
              AND s.seat_id = ANY(ARRAY(
                SELECT held ->> 'seatId' FROM jsonb_array_elements(r.seats) held
              ))
            OFFSET 0
          )
          AND NOT EXISTS (
            SELECT FROM ${schema}.transfer t WHERE t.reservation_id = r.reservation_id OFFSET 0
          )
        ORDER BY r.ended_at LIMIT $2::int8 FOR UPDATE OF r SKIP LOCKED
      ))
      RETURNING greatest(held_at, ended_at) AS at
    ), ${noted(schema, "reservation")}
    SELECT count(*) FROM gone`)

/**
 * The answers to commands. They are locked by nobody, and the engine's role may not lock them either:
 * where two nodes delete the same ones, the second finds them gone.
 */
export const clearOutcomes = (schema: SchemaName) =>
  clearing(`
    WITH gone AS (
      DELETE FROM ${schema}.command_outcome WHERE command_id = ANY(ARRAY(
        SELECT command_id FROM ${schema}.command_outcome WHERE recorded_at <= ${ago}
        ORDER BY recorded_at LIMIT $2::int8
      ))
      RETURNING command_id
    )
    SELECT count(*) FROM gone`)

/** Deliveries that were given up so long ago, whose endpoint nobody has set right since. */
export const clearDeadLetters = (schema: SchemaName) =>
  clearing(`
    WITH gone AS (
      DELETE FROM ${schema}.webhook_delivery WHERE delivery_id = ANY(ARRAY(
        SELECT delivery_id FROM ${schema}.webhook_delivery
        WHERE state = 'dead' AND next_at <= ${ago}
        ORDER BY next_at LIMIT $2::int8 FOR UPDATE SKIP LOCKED
      ))
      RETURNING delivery_id
    )
    SELECT count(*) FROM gone`)

// These two are found queue by queue, and deleted by where they are on disk: nobody changes such a row
// any more, and a join by their keys would read all of the table where that is small for the planner.

/** The departures that the line has passed: those of a draw once it has gone through all of it. */
export const clearDepartures = (schema: SchemaName) => {
  const sql = `
    DELETE FROM ${schema}.queue_departure WHERE ctid = ANY(ARRAY(
      SELECT gone.at FROM ${schema}.queue q, LATERAL (
        SELECT d.ctid AS at, d.lane, d.number FROM ${schema}.queue_departure d
        WHERE d.queue_id = q.queue_id ORDER BY d.seq LIMIT $1::int8
      ) gone
      -- Where a queue is closed, nobody asks for a place any more.
      WHERE q.mode = 'closed' OR CASE gone.lane WHEN 0 THEN
        q.cursor >= greatest(gone.number, CASE WHEN gone.number <= q.drawn THEN q.drawn ELSE 0 END)
        AND (q.opens_at IS NULL OR q.opened_at IS NOT NULL)
      ELSE q.priority_cursor >= gone.number END
      LIMIT $1::int8
    ))`
  return (limit: number): Query<void> => ({ sql, params: [BigInt(limit)], read: () => {} })
}

/** More than all queues together note in a minute: a row for each 4,096 places in line. */
const presencePerClearing = 10_000

/** What was noted of who is there, once no queue waits for it any more: the oldest of each queue. */
export const clearPresence = (schema: SchemaName) => {
  const sql = `
    WITH ${clock}
    DELETE FROM ${schema}.queue_presence WHERE ctid = ANY(ARRAY(
      SELECT old.at FROM clock, ${schema}.queue q, LATERAL (
        SELECT p.ctid AS at FROM ${schema}.queue_presence p
        WHERE p.queue_id = q.queue_id
          AND p.seen_until < clock.now - (q.absence_seconds::int8 + 600) * interval '1 second'
        ORDER BY p.seen_until LIMIT ${presencePerClearing}
      ) old
      LIMIT ${presencePerClearing}
    ))`
  return (): Query<void> => ({ sql, params: [], read: () => {} })
}
