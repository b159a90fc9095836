import type { Page, QueueId, QueueRow } from "@boxoffice/core"
import { settingsColumns, settingsOf } from "../load/tokenColumns.ts"
import { bigint, type Query, type Row } from "../Query.ts"
import type { SchemaName } from "../schemaName.ts"

const queueColumns = (schema: SchemaName) => `q.queue_id, q.mode, q.next_number, ${settingsColumns},
      (SELECT count(*) FROM ${schema}.queue_token t WHERE t.queue_id = q.queue_id
        AND t.state = 'admitted' AND t.expires_at > clock_timestamp()),
      (SELECT count(*) FROM ${schema}.queue_token t WHERE t.queue_id = q.queue_id
        AND t.admitted_at > clock_timestamp() - interval '60 seconds'),
      (SELECT count(*) FROM ${schema}.queue_token t WHERE t.queue_id = q.queue_id
        AND t.state = 'waiting')`

const queueOf = (row: Row): QueueRow => ({
  queueId: row[0],
  mode: row[1],
  nextNumber: bigint(row[2]),
  settings: settingsOf(row, 3),
  active: Number(row[7]),
  admittedLastMinute: Number(row[8]),
  waiting: Number(row[9])
})

export const readQueue = (schema: SchemaName) => {
  const sql = `SELECT ${queueColumns(schema)} FROM ${schema}.queue q WHERE q.queue_id = $1::text`
  return (queueId: QueueId): Query<QueueRow | undefined> => ({
    sql,
    params: [queueId],
    read: ([row]) => row && queueOf(row)
  })
}

/** By id. */
export const readQueues = (schema: SchemaName) => {
  const sql = `
    SELECT ${queueColumns(schema)} FROM ${schema}.queue q
    WHERE q.queue_id > $1::text COLLATE "C" ORDER BY q.queue_id LIMIT $2::int8`
  return ({ after, limit }: Page<QueueId>): Query<ReadonlyArray<QueueRow>> => ({
    sql,
    params: [after ?? "", BigInt(limit)],
    read: (rows) => rows.map(queueOf)
  })
}
