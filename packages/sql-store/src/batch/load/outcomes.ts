import type { CommandId } from "@boxoffice/core"
import type { RecordedOutcome } from "@boxoffice/core/store"
import { type Query, uuids } from "../../Query.ts"
import type { SchemaName } from "../../schemaName.ts"

/**
 * Recorded outcomes of commands. The query runs behind the locks: if they waited for the first
 * attempt at a command, it sees that attempt's outcome. If the first attempt commits later still,
 * this batch's insert conflicts.
 */
export const loadOutcomes = (schema: SchemaName) => {
  const sql = `
    SELECT command_id, user_id, operation, fingerprint, outcome FROM ${schema}.command_outcome
    WHERE command_id = ANY($1)`
  return (commandIds: Iterable<CommandId>): Query<ReadonlyArray<RecordedOutcome>> => ({
    sql,
    params: [uuids(commandIds)],
    read: (rows) =>
      rows.map(([commandId, userId, operation, fingerprint, outcome]) => ({
        commandId,
        userId,
        operation,
        fingerprint,
        outcome
      }))
  })
}
