import type { LoadPlan, UnpaidHold } from "@boxoffice/core/store"
import { clock } from "../../columns/queue.ts"
import { instant, type Query, texts, uuids } from "../../Query.ts"
import type { SchemaName } from "../../schemaName.ts"

/**
 * Of each user and queue one live hold without a payment, if there is any; the reservations that
 * the batch has locked do not count. The query runs behind the locks. Another payment of the same
 * user locks the same wallet, so it has committed by then.
 *
 * The condition is the key of the index of unpaid holds, as an expression: planned while the table
 * was new, `user_id` and `status` made the server read every hold of the table. One hold is enough:
 * reading all of them cost a payer with many holds 94 µs a payment.
 */
export const readUnpaid = (schema: SchemaName) => {
  const sql = `
    WITH ${clock}
    SELECT h.reservation_id, h.user_id, h.queue_id, h.hold_expires_at
    FROM clock, unnest($1::text[], $2::text[]) AS payer (user_id, queue_id), LATERAL (
        SELECT r.reservation_id, r.user_id, w.queue_id, r.hold_expires_at
        FROM ${schema}.reservation r
          JOIN ${schema}.performance p USING (performance_id)
          JOIN ${schema}.show w USING (show_id)
        WHERE (CASE WHEN r.status = 'held' THEN r.user_id END) = payer.user_id
          AND w.queue_id = payer.queue_id AND r.hold_expires_at > clock.now
          AND r.reservation_id <> ALL($3::uuid[])
        LIMIT 1
      ) h`
  return ({ unpaidOf, reservations }: LoadPlan): Query<ReadonlyArray<UnpaidHold>> => {
    const payers = Array.from(unpaidOf.values())
    return {
      sql,
      params: [
        texts(payers.map(({ userId }) => userId)),
        texts(payers.map(({ queueId }) => queueId)),
        uuids(reservations)
      ],
      read: (rows) =>
        rows.map(([reservationId, userId, queueId, holdExpiresAt]) => ({
          reservationId,
          userId,
          queueId,
          holdExpiresAt: instant(holdExpiresAt)
        }))
    }
  }
}
