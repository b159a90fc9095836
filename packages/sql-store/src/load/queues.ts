import type { QueueId, QueueMode } from "@boxoffice/core"
import { bigint, type Query, texts } from "../Query.ts"
import type { SchemaName } from "../schemaName.ts"

export interface LockedQueue {
  readonly queueId: QueueId
  readonly mode: QueueMode
  readonly nextNumber: bigint
}

/**
 * Lock 1, by queue_id: who holds a queue's row is alone in giving out numbers and places.
 *
 * Here as in every load, rows are sorted before they are locked (LockRows stands above the Sort),
 * and the lock leaves the key readable, so that an insert that refers to the row need not wait.
 */
export const lockQueues = (schema: SchemaName) => {
  const sql = `
    SELECT queue_id, mode, next_number FROM ${schema}.queue
    WHERE queue_id = ANY($1)
    ORDER BY queue_id FOR NO KEY UPDATE`
  return (queueIds: Iterable<QueueId>): Query<ReadonlyArray<LockedQueue>> => ({
    sql,
    params: [texts(queueIds)],
    read: (rows) =>
      rows.map(([queueId, mode, nextNumber]) => ({
        queueId,
        mode,
        nextNumber: bigint(nextNumber)
      }))
  })
}
