import type { SchemaName } from "../../schemaName.ts"
import { ago, clearing, noted } from "../clear.ts"

/**
 * Deletes batches that every consumer has passed. It looks at the oldest only, so a consumer that
 * makes no progress does not make it slower. A consumer whose cursor is from another cluster counts
 * as having passed nothing: its snapshots say nothing about new batches.
 */
export const pruneOutbox = (schema: SchemaName) =>
  // Guard prune-passed: without "AND NOT EXISTS (…reading), false)…)…)", conformance.test "has passed" fails.
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
