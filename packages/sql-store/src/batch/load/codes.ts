import type { CodeRow, LoadPlan } from "@boxoffice/core/store"
import { type Query, texts } from "../../Query.ts"
import type { SchemaName } from "../../schemaName.ts"

/**
 * Codes of locked queues, by key. A batch that uses a code holds the lock of its queue, so this lock
 * never waits for another batch.
 */
export const lockCodes = (schema: SchemaName) => {
  // Guard lock-code: without "FOR NO KEY UPDATE OF c", rowLocks.test "waits for a code" fails.
  const sql = `
    SELECT c.queue_id, c.code_hash, c.uses_left FROM ${schema}.queue_code c
    WHERE (c.queue_id, c.code_hash) IN (
      SELECT named.queue_id, named.code_hash
      FROM unnest($1::text[], $2::text[]) AS named (queue_id, code_hash))
    ORDER BY c.queue_id, c.code_hash FOR NO KEY UPDATE OF c`
  return (codes: LoadPlan["codes"]): Query<ReadonlyArray<CodeRow>> => ({
    sql,
    params: [
      texts(codes.map(({ queueId }) => queueId)),
      texts(codes.map(({ codeHash }) => codeHash))
    ],
    read: (rows) =>
      rows.map(([queueId, codeHash, usesLeft]) => ({
        queueId,
        codeHash,
        usesLeft: Number(usesLeft)
      }))
  })
}
