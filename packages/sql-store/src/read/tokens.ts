import type { GateQuestion, TokenReading } from "@boxoffice/core"
import { tokenColumns, tokenOf } from "../load/tokenColumns.ts"
import { instant, type Query, texts, uuids } from "../Query.ts"
import type { SchemaName } from "../schemaName.ts"

/** Tokens, their places, and the queues in front of what is asked about: one row a question. */
export const readGates = (schema: SchemaName) => {
  const sql = `
    SELECT date_trunc('milliseconds', clock_timestamp()),
      coalesce(
        (SELECT w.queue_id FROM ${schema}.performance p JOIN ${schema}.show w USING (show_id)
          WHERE p.performance_id = asked.performance_id),
        (SELECT w.queue_id FROM ${schema}.show w WHERE w.show_id = asked.show_id)),
      (SELECT count(*) FROM ${schema}.queue_token w
        WHERE t.state = 'waiting' AND w.queue_id = t.queue_id AND w.state = 'waiting'
          AND w.number < t.number),
      ${tokenColumns}
    FROM unnest($1::uuid[], $2::text[], $3::text[])
      WITH ORDINALITY AS asked (token_id, show_id, performance_id, place)
    LEFT JOIN (${schema}.queue_token t JOIN ${schema}.queue q USING (queue_id))
      ON t.token_id = asked.token_id
    ORDER BY asked.place`
  return (questions: ReadonlyArray<GateQuestion>): Query<ReadonlyArray<TokenReading>> => ({
    sql,
    params: [
      uuids(questions.map(({ tokenId }) => tokenId)),
      texts(questions.map(({ showId }) => showId ?? null)),
      texts(questions.map(({ performanceId }) => performanceId ?? null))
    ],
    read: (rows) =>
      rows.map((row) => ({
        now: instant(row[0]),
        requiredQueueId: row[1] ?? undefined,
        ahead: Number(row[2]),
        token: row[3] === null ? undefined : tokenOf(row, 3)
      }))
  })
}
