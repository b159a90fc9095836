import type { QueueId, QueueSettings } from "@boxoffice/core"
import { type Query, texts } from "../Query.ts"
import type { SchemaName } from "../schemaName.ts"
import { settingsColumns, settingsOf } from "./tokenColumns.ts"

export interface QueueCounts {
  readonly settings: QueueSettings
  readonly active: number
  readonly admittedLastMinute: number
  readonly waiting: number
}

/** How full a queue is: a statement after the locks sees what others committed before them. */
export const countQueues = (schema: SchemaName) => {
  const sql = `
    WITH clock AS MATERIALIZED (SELECT clock_timestamp() AS now)
    SELECT q.queue_id, ${settingsColumns},
      (SELECT count(*) FROM ${schema}.queue_token t
        WHERE t.queue_id = q.queue_id AND t.state = 'admitted' AND t.expires_at > clock.now),
      (SELECT count(*) FROM ${schema}.queue_token t
        WHERE t.queue_id = q.queue_id AND t.admitted_at > clock.now - interval '60 seconds'),
      (SELECT count(*) FROM ${schema}.queue_token t
        WHERE t.queue_id = q.queue_id AND t.state = 'waiting')
    FROM ${schema}.queue q, clock WHERE q.queue_id = ANY($1)`
  return (queueIds: Iterable<QueueId>): Query<ReadonlyMap<QueueId, QueueCounts>> => ({
    sql,
    params: [texts(queueIds)],
    read: (rows) =>
      new Map(
        rows.map((row) => [
          row[0] as QueueId,
          {
            settings: settingsOf(row, 1),
            active: Number(row[5]),
            admittedLastMinute: Number(row[6]),
            waiting: Number(row[7])
          }
        ])
      )
  })
}
