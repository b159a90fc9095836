/**
 * Deletes rows that are older than they need to be, the oldest first and a limited number at a
 * time.
 *
 * All of these skip rows that another transaction has locked, and leave them for the next run: so
 * clearing waits for no command, and no command waits long for clearing. The time is a subquery
 * that runs once, so that the server searches the index by it; otherwise it would read every row of
 * the table. It is always the database's time.
 */
import { clock } from "../columns/queue.ts"
import type { Query } from "../Query.ts"
import type { SchemaName } from "../schemaName.ts"

/** The time `$1` milliseconds ago. */
export const ago = "(SELECT clock_timestamp()) - $1::int8 * interval '1 millisecond'"

/**
 * Records the latest `at` that a DELETE, `gone`, returns: see `cleared` in `migrations/`. `at` is
 * the latest of a row's instants, which need not be that of its end: the clock may have stepped
 * back.
 */
// Guard cleared-to-the-latest: with "excluded.up_to" for "greatest(…up_to)", smallGuards.test "is the latest" fails.
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

/**
 * Deletes tokens that have ended. Their events stay in the outbox for as long as the outbox keeps
 * events.
 */
export const clearTokens = (schema: SchemaName) =>
  // Guard clear-tokens-waits-not: without " SKIP LOCKED", smallGuards.test "clearing leaves tokens" fails.
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
 * Deletes reservations that were never paid. One that nevertheless has a seat or a transfer stays,
 * so that an operator can find out why. The schema would refuse to delete it, and that must not
 * keep the others from being deleted.
 *
 * The statement checks each reservation separately: `OFFSET 0` keeps the planner from joining all
 * seats with all reservations. The seats are an array, which the planner takes for ten rows. As a
 * join it would take them for a hundred, which made the statement look expensive enough to compile,
 * for a quarter of a second each time.
 */
export const clearReservations = (schema: SchemaName) =>
  // Guard clear-reservations-waits-not: without " SKIP LOCKED", clearing.test "waits for no lock" fails.
  // Guard clear-unpaid: without `r.status IN…AND `, smallGuards.test "was paid for nothing" fails.
  // Guard clear-without-seats: without "AND NOT EXISTS (…OFFSET 0…)", clearing.test "never paid" fails.
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
 * Deletes recorded outcomes. No transaction locks them, and the engine's role may not lock them
 * either: if two nodes delete the same ones, the second finds them gone.
 */
export const clearOutcomes = (schema: SchemaName) =>
  // Guard clear-old-outcomes: with "true" for "recorded_at <= ${ago}", clearing.test "alone decides" fails.
  clearing(`
    WITH gone AS (
      DELETE FROM ${schema}.command_outcome WHERE command_id = ANY(ARRAY(
        SELECT command_id FROM ${schema}.command_outcome WHERE recorded_at <= ${ago}
        ORDER BY recorded_at LIMIT $2::int8
      ))
      RETURNING command_id
    )
    SELECT count(*) FROM gone`)

/** Deletes deliveries that were given up long ago, and that no operator has retried since. */
export const clearDeadLetters = (schema: SchemaName) =>
  // Guard clear-letters-waits-not: without " SKIP LOCKED", smallGuards.test "clearing leaves tokens" fails.
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

// The next two find rows queue by queue and delete them by their location on disk. No transaction
// changes such a row any more, and a join by key would read the whole table whenever the planner
// takes it for small.

/**
 * Deletes departures that the line has passed; those of a draw once the line has gone through all
 * of it.
 */
export const clearDepartures = (schema: SchemaName) => {
  const sql = `
    DELETE FROM ${schema}.queue_departure WHERE ctid = ANY(ARRAY(
      SELECT gone.at FROM ${schema}.queue q, LATERAL (
        SELECT d.ctid AS at, d.lane, d.number FROM ${schema}.queue_departure d
        WHERE d.queue_id = q.queue_id ORDER BY d.seq LIMIT $1::int8
      ) gone
      -- A closed queue has no positions to compute any more.
      WHERE q.mode = 'closed' OR CASE gone.lane WHEN 0 THEN
        q.cursor >= greatest(gone.number, CASE WHEN gone.number <= q.drawn THEN q.drawn ELSE 0 END)
        AND (q.opens_at IS NULL OR q.opened_at IS NOT NULL)
      ELSE q.priority_cursor >= gone.number END
      LIMIT $1::int8
    ))`
  return (limit: number): Query<void> => ({ sql, params: [BigInt(limit)], read: () => {} })
}

/** More than all queues together record in a minute: a row stands for 4,096 numbers of a lane. */
const presencePerClearing = 10_000

/** Deletes presence that no queue considers any more: the oldest of each queue. */
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
