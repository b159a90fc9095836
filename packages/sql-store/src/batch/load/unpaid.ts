import type { LoadPlan, UnpaidHold } from "@boxoffice/core/store"
import { clock } from "../../columns/queue.ts"
import { instant, type Query, texts, uuids } from "../../Query.ts"
import type { SchemaName } from "../../schemaName.ts"

/**
 * Of each user and queue one live hold that nobody has paid for, if there is any, but for those that the
 * batch has locked. It is read after the locks, so that another payment of the same user, which locks the
 * same wallet, has been committed.
 *
 * The condition is the key of the index of unpaid holds, as an expression: planned while the table
 * was new, `user_id` and `status` let the server read every hold there was. One is enough: to read all of
 * them cost a payer of many holds 94 µs a payment.
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
