import { fromCursor, type OutboxPage, outboxPageOf } from "@boxoffice/core/store"
import type { Query } from "../../Query.ts"
import type { SchemaName } from "../../schemaName.ts"
import { isSameLife, lifeOf } from "./cursor.ts"

/**
 * Reads the next batches of a round, and begins a round if none is under way. A new round takes its
 * snapshot in the same statement, so that every batch visible in that snapshot can be read. The
 * page says where in the round it begins. A position inside its first batch may be saved with this
 * cursor only, since the batch that comes first behind an older cursor changes with every commit.
 *
 * Not visible in the snapshot `seen` are the transactions that were in progress then, and those
 * with a higher id. An index finds both: the former by their ids, the latter by going on from the
 * batch that was read last, or from the first of them. `batch_id + 0` keeps the planner from
 * reading all batches in order to find those few.
 */
export const readOutbox = (schema: SchemaName) => {
  const sql = `
    WITH round AS MATERIALIZED (
      SELECT coalesce($2::text::pg_snapshot, pg_current_snapshot()) AS reading,
        CASE WHEN $3::int8 > 0 THEN $3::int8 ELSE coalesce((
          SELECT min(batch_id + 0) - 1 FROM ${schema}.outbox
          WHERE xid >= pg_snapshot_xmax($1::text::pg_snapshot)
        ), 9223372036854775807) END AS fresh_from,
        ${isSameLife(schema, "$5")} AS lives_on, ${lifeOf(schema)} AS at
    ), late AS MATERIALIZED (
      SELECT batch_id, event_version, events FROM ${schema}.outbox
      WHERE xid = ANY (ARRAY(SELECT pg_snapshot_xip($1::text::pg_snapshot)))
        AND batch_id + 0 > $3::int8
        AND pg_visible_in_snapshot(xid, (SELECT reading FROM round))
    ), fresh AS (
      SELECT batch_id, event_version, events FROM ${schema}.outbox
      WHERE xid >= pg_snapshot_xmax($1::text::pg_snapshot)
        AND batch_id > (SELECT fresh_from FROM round)
        AND pg_visible_in_snapshot(xid, (SELECT reading FROM round))
      ORDER BY batch_id LIMIT $4::int8
    )
    SELECT round.reading::text, page.batch_id, page.event_version::int4, page.events::text,
      round.lives_on, round.at
    FROM round LEFT JOIN (
      SELECT * FROM late UNION ALL SELECT * FROM fresh ORDER BY batch_id LIMIT $4::int8
    ) page ON true
    ORDER BY page.batch_id`
  return (cursor: string, limit: number, since?: string): Query<OutboxPage | "interrupted"> => {
    const from = fromCursor(cursor)
    return {
      sql,
      params: [from.seen, from.reading, from.batchId, BigInt(limit), since ?? null],
      // Unprepared, so that it is planned for these snapshots: few batches are new, or all are.
      unprepared: true,
      read: (rows) => {
        const [reading, , , , isOfSameLife, life] = rows[0]!
        if (!isOfSameLife) return "interrupted"
        const found = rows
          .filter((row) => row[1] !== null)
          .map(([, batchId, version, events]) => ({ batchId: BigInt(batchId), version, events }))
        return outboxPageOf(from, reading, found, limit, life)
      }
    }
  }
}
