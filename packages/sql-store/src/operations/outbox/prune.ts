import type { SchemaName } from "../../schemaName.ts"
import { ago, clearing, noted } from "../clear.ts"

/**
 * Deletes what every consumer has passed. Only the oldest are looked at, so that a consumer that
 * stands still makes this no dearer. A consumer whose place is from another cluster has passed
 * nothing: what its snapshots say of new batches means nothing.
 */
export const pruneOutbox = (schema: SchemaName) =>
  clearing(`
    WITH gone AS (
      DELETE FROM ${schema}.outbox WHERE batch_id = ANY (ARRAY(
        SELECT batch_id FROM (
          SELECT batch_id, xid, occurred_at FROM ${schema}.outbox ORDER BY batch_id LIMIT $2::int8
        ) oldest
        WHERE occurred_at < ${ago}
          AND NOT EXISTS (
            SELECT FROM ${schema}.event_consumer c
            WHERE c.cluster <> (SELECT system_identifier::text FROM pg_control_system())
              OR NOT (
                pg_visible_in_snapshot(oldest.xid, c.seen)
                OR coalesce(oldest.batch_id <= c.batch_id
                  AND pg_visible_in_snapshot(oldest.xid, c.reading), false)
              )
          )
      ))
      RETURNING occurred_at AS at
    ), ${noted(schema, "outbox")}
    SELECT count(*) FROM gone`)
