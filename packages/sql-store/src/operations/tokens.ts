import type { GateQuestion, TokenReading } from "@boxoffice/core/store"
import { aheadColumn, aheadOf, drawColumns } from "../columns/queue.ts"
import { tokenColumnCount, tokenColumns, tokenOf } from "../columns/token.ts"
import { instant, type Query, texts, uuids } from "../Query.ts"
import type { SchemaName } from "../schemaName.ts"

/**
 * Tokens, their positions, and the queue that protects the show or performance of each question:
 * one row a question.
 */
export const readTokens = (schema: SchemaName) => {
  const sql = `
    SELECT date_trunc('milliseconds', clock_timestamp()),
      coalesce(
        (SELECT w.queue_id FROM ${schema}.performance p JOIN ${schema}.show w USING (show_id)
          WHERE p.performance_id = asked.performance_id),
        (SELECT w.queue_id FROM ${schema}.show w WHERE w.show_id = asked.show_id)),
      ${aheadColumn(schema)}, ${tokenColumns}, ${drawColumns}
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
      rows.map((row) => {
        const token = row[3] === null ? undefined : tokenOf(row, 3)
        const waits = token?.state === "waiting"
        return {
          now: instant(row[0]),
          requiredQueueId: row[1] ?? undefined,
          ahead: waits ? aheadOf(token, row[2], row, 3 + tokenColumnCount) : 0,
          token
        }
      })
  })
}
