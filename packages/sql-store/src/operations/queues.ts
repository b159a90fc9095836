/** Reads queues for their operators. */
import type { QueueId } from "@boxoffice/core"
import type { PageRequest, QueueRow } from "@boxoffice/core/store"
import {
  clock,
  exitsOf,
  lastMinuteOf,
  queueColumnCount,
  queueColumns,
  queueOf
} from "../columns/queue.ts"
import type { Query, Row } from "../Query.ts"
import type { SchemaName } from "../schemaName.ts"

/**
 * The queue, with the number to subtract from its count of active tokens: exits, and tokens that have
 * lapsed but that no batch has ended yet.
 */
const shownColumns = (schema: SchemaName) => `${queueColumns}, ${exitsOf(schema)} + (
        SELECT count(*) FROM ${schema}.queue_token t
        WHERE t.queue_id = q.queue_id AND t.state = 'admitted'
          AND t.expires_at <= clock.now
      ), ${lastMinuteOf(schema)}`

const shownOf = (row: Row): QueueRow => {
  const queue = queueOf(row)
  return {
    ...queue,
    active: Math.max(0, queue.active - Number(row[queueColumnCount])),
    admittedLastMinute: Number(row[queueColumnCount + 1])
  }
}

export const readQueue = (schema: SchemaName) => {
  const sql = `
    WITH ${clock}
    SELECT ${shownColumns(schema)} FROM ${schema}.queue q, clock WHERE q.queue_id = $1::text`
  return (queueId: QueueId): Query<QueueRow | undefined> => ({
    sql,
    params: [queueId],
    read: ([row]) => row && shownOf(row)
  })
}

/** By id. */
export const readQueues = (schema: SchemaName) => {
  const sql = `
    WITH ${clock}
    SELECT ${shownColumns(schema)} FROM ${schema}.queue q, clock
    WHERE q.queue_id > $1::text COLLATE "C" ORDER BY q.queue_id LIMIT $2::int8`
  return ({ after, limit }: PageRequest<QueueId>): Query<ReadonlyArray<QueueRow>> => ({
    sql,
    params: [after ?? "", BigInt(limit)],
    read: (rows) => rows.map(shownOf)
  })
}
