import type { GateQuestion, TokenReading } from "@boxoffice/core"
import { tokenColumns, tokenOf } from "../load/tokenColumns.ts"
import type { Query } from "../Query.ts"
import type { SchemaName } from "../schemaName.ts"

/** A token, its place, and the queue in front of what is asked about. */
export const readGate = (schema: SchemaName) => {
  const sql = `
    SELECT date_trunc('milliseconds', clock_timestamp()),
      coalesce(
        (SELECT w.queue_id FROM ${schema}.performance p JOIN ${schema}.show w USING (show_id)
          WHERE p.performance_id = $3::text),
        (SELECT w.queue_id FROM ${schema}.show w WHERE w.show_id = $2::text)),
      (SELECT count(*) FROM ${schema}.queue_token w
        WHERE t.state = 'waiting' AND w.queue_id = t.queue_id AND w.state = 'waiting'
          AND w.number < t.number),
      ${tokenColumns}
    FROM (VALUES (1)) AS one
    LEFT JOIN (${schema}.queue_token t JOIN ${schema}.queue q USING (queue_id))
      ON t.token_id = $1::uuid`
  return ({ tokenId, showId, performanceId }: GateQuestion): Query<TokenReading> => ({
    sql,
    params: [tokenId, showId ?? null, performanceId ?? null],
    read: ([row]) => ({
      now: row![0].getTime(),
      requiredQueueId: row![1] ?? undefined,
      ahead: Number(row![2]),
      token: row![3] === null ? undefined : tokenOf(row!, 3)
    })
  })
}
