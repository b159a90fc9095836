import type { QueueRow } from "@boxoffice/core"
import { bigints, type Query, texts } from "../Query.ts"
import type { SchemaName } from "../schemaName.ts"

/** Moves the numbers on; a batch changes nothing else about a queue. The rows are locked. */
export const saveQueues = (schema: SchemaName) => {
  const sql = `
    UPDATE ${schema}.queue q SET next_number = saved.next_number
    FROM unnest($1::text[], $2::int8[]) AS saved (queue_id, next_number)
    WHERE q.queue_id = saved.queue_id AND q.next_number <> saved.next_number`
  return (rows: ReadonlyArray<QueueRow>): Query<void> => ({
    sql,
    params: [texts(rows.map((row) => row.queueId)), bigints(rows.map((row) => row.nextNumber))],
    read: () => {}
  })
}
