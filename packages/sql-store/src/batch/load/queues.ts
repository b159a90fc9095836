import type { QueueId } from "@boxoffice/core"
import type { QueueRow } from "@boxoffice/core/store"
import { queueColumns, queueOf } from "../../columns/queue.ts"
import { type Query, texts } from "../../Query.ts"
import type { SchemaName } from "../../schemaName.ts"

/**
 * Lock 1, by queue_id: only the batch that holds a queue's row assigns its numbers and admits its
 * users.
 *
 * As in every load, the rows are sorted before they are locked (LockRows stands above the Sort).
 * The lock mode leaves the key readable, so an insert that refers to the row does not wait.
 */
export const lockQueues = (schema: SchemaName) => {
  // Guard lock-queue: without "FOR NO KEY UPDATE", rowLocks.test "waits for a queue that" fails.
  // Guard lock-queue-order: without "ORDER BY q.queue_id ", locks.test "rows are sorted before" fails.
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
