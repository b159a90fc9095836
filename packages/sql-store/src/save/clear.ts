import type { Query } from "../Query.ts"
import type { SchemaName } from "../schemaName.ts"

/**
 * Clears away tokens that ended long ago, the oldest first. What happened stays in the outbox.
 *
 * Rows that somebody has locked wait for the next time. The time is a subquery, which is asked once,
 * so that the index is searched by it; without one, every token that ever ended is read.
 */
export const clearTokens = (schema: SchemaName) => {
  const sql = `
    DELETE FROM ${schema}.queue_token WHERE token_id = ANY(ARRAY(
      SELECT token_id FROM ${schema}.queue_token
      WHERE ended_at IS NOT NULL
        AND ended_at <= (SELECT clock_timestamp()) - $1::int8 * interval '1 millisecond'
      ORDER BY ended_at LIMIT $2::int8 FOR UPDATE SKIP LOCKED
    ))
    RETURNING token_id`
  return (olderThanMs: number, limit: number): Query<number> => ({
    sql,
    params: [BigInt(olderThanMs), BigInt(limit)],
    read: (rows) => rows.length
  })
}

/** The departures that the line has passed: those of a draw once it has gone through all of it. */
export const clearDepartures = (schema: SchemaName) => {
  const sql = `
    DELETE FROM ${schema}.queue_departure d USING (
      SELECT gone.queue_id, gone.seq FROM ${schema}.queue q, LATERAL (
        SELECT d.queue_id, d.seq, d.lane, d.number FROM ${schema}.queue_departure d
        WHERE d.queue_id = q.queue_id ORDER BY d.seq LIMIT $1::int8
      ) gone
      -- Where a queue is closed, nobody asks for a place any more.
      WHERE q.mode = 'closed' OR CASE gone.lane WHEN 0 THEN
        q.cursor >= greatest(gone.number, CASE WHEN gone.number <= q.drawn THEN q.drawn ELSE 0 END)
        AND (q.opens_at IS NULL OR q.opened_at IS NOT NULL)
      ELSE q.priority_cursor >= gone.number END
      LIMIT $1::int8
    ) gone
    WHERE d.queue_id = gone.queue_id AND d.seq = gone.seq`
  return (limit: number): Query<void> => ({ sql, params: [BigInt(limit)], read: () => {} })
}

/** What was noted of who is there, once no queue waits for it any more. */
export const clearPresence = (schema: SchemaName) => {
  const sql = `
    DELETE FROM ${schema}.queue_presence p USING ${schema}.queue q
    WHERE p.queue_id = q.queue_id
      AND p.seen_until < (SELECT clock_timestamp()) - (q.absence_seconds + 600) * interval '1 second'`
  return (): Query<void> => ({ sql, params: [], read: () => {} })
}
