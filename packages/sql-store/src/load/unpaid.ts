import type { RowNames, UnpaidHold } from "@boxoffice/core"
import { instant, type Query, texts, uuids } from "../Query.ts"
import type { SchemaName } from "../schemaName.ts"

/**
 * The holds of users that nobody has paid for, but for those that the batch has locked. They are
 * read after the locks, so that another payment of the same user, which locks the same wallet, has
 * been committed.
 *
 * The condition is the key of the index of unpaid holds, as an expression: planned while the table
 * was new, `user_id` and `status` let the server read every hold there was.
 */
export const readUnpaid = (schema: SchemaName) => {
  const sql = `
    SELECT h.reservation_id, h.user_id, w.queue_id, h.hold_expires_at
    FROM unnest($1::text[]) AS payer (user_id), LATERAL (
        SELECT * FROM ${schema}.reservation r
        WHERE (CASE WHEN r.status = 'held' THEN r.user_id END) = payer.user_id
          AND r.reservation_id <> ALL($2::uuid[])
        OFFSET 0
      ) h
      JOIN ${schema}.performance p USING (performance_id)
      JOIN ${schema}.show w USING (show_id)`
  return ({ unpaid, reservations }: RowNames): Query<ReadonlyArray<UnpaidHold>> => ({
    sql,
    params: [texts(unpaid), uuids(reservations)],
    read: (rows) =>
      rows.map(([reservationId, userId, queueId, holdExpiresAt]) => ({
        reservationId,
        userId,
        queueId,
        holdExpiresAt: instant(holdExpiresAt)
      }))
  })
}
