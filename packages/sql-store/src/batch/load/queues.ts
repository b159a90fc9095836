import type { QueueId } from "@boxoffice/core"
import type { QueueRow } from "@boxoffice/core/store"
import { queueColumns, queueOf } from "../../columns/queue.ts"
import { type Query, texts } from "../../Query.ts"
import type { SchemaName } from "../../schemaName.ts"

/**
 * Lock 1, by queue_id: who holds a queue's row is alone in giving out numbers and places.
 *
 * Here as in every load, rows are sorted before they are locked (LockRows stands above the Sort),
 * and the lock leaves the key readable, so that an insert that refers to the row need not wait.
 */
export const lockQueues = (schema: SchemaName) => {
  const sql = `
    SELECT ${queueColumns} FROM ${schema}.queue q
    WHERE q.queue_id = ANY($1)
    ORDER BY q.queue_id FOR NO KEY UPDATE`
  return (
    queueIds: Iterable<QueueId>
  ): Query<ReadonlyArray<Omit<QueueRow, "admittedLastMinute">>> => ({
    sql,
    params: [texts(queueIds)],
    read: (rows) => rows.map((row) => queueOf(row))
  })
}
