import type { Lapsed } from "@boxoffice/core/store"
import { clock, exitsOf, hasLapsed, lastMinuteOf } from "../columns/queue.ts"
import type { Query } from "../Query.ts"
import type { SchemaName } from "../schemaName.ts"

/**
 * Holds that have lapsed and are still held, and queues that have lapsed tokens, must open or
 * close, or could admit a user.
 */
export const readLapsed = (schema: SchemaName) => {
  const sql = `
    WITH ${clock}
    SELECT
      ARRAY(
        SELECT r.reservation_id FROM ${schema}.reservation r
        WHERE r.status = 'held' AND r.hold_expires_at <= clock.now
        ORDER BY r.hold_expires_at LIMIT $1::int8
      ),
      ARRAY(
        SELECT q.queue_id FROM ${schema}.queue q
        WHERE ${hasLapsed(schema)} OR (
          q.mode <> 'closed' AND q.opened_at IS NULL AND q.opens_at <= clock.now
        ) OR (
          q.mode = 'closed' AND q.waiting + q.priority_waiting > 0
        ) OR (
          q.mode IN ('open', 'draining') AND (q.opens_at IS NULL OR q.opened_at IS NOT NULL)
          AND q.waiting + q.priority_waiting > 0
          AND q.max_active > q.active - ${exitsOf(schema)}
          AND q.admit_per_minute > ${lastMinuteOf(schema)}
        )
        ORDER BY q.queue_id LIMIT $1::int8
      )
    FROM clock`
  return (limit: number): Query<Lapsed> => ({
    sql,
    params: [BigInt(limit)],
    read: ([row]) => ({ reservations: row![0], queues: row![1] })
  })
}
