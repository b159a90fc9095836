import type { RecordedOutcome } from "@boxoffice/core/store"
import { type Query, texts, uuids } from "../../Query.ts"
import type { SchemaName } from "../../schemaName.ts"

/**
 * Inserts recorded outcomes, by command_id. If another node is running the same command, this waits
 * for it and conflicts with `command_outcome_pkey`.
 */
export const insertOutcomes = (schema: SchemaName) => {
  const sql = `
    INSERT INTO ${schema}.command_outcome (command_id, user_id, operation, fingerprint, outcome)
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[]) AS saved (id)
    ORDER BY id`
  return (rows: ReadonlyArray<RecordedOutcome>): Query<void> => ({
    sql,
    params: [
      uuids(rows.map((row) => row.commandId)),
      texts(rows.map((row) => row.userId)),
      texts(rows.map((row) => row.operation)),
      texts(rows.map((row) => row.fingerprint)),
      texts(rows.map((row) => row.outcome))
    ],
    read: () => {}
  })
}
