import type { BoxOfficeEvent } from "@boxoffice/core"
import { encodeEvents } from "@boxoffice/core/store"
import type { Query } from "../../Query.ts"
import type { SchemaName } from "../../schemaName.ts"

/**
 * Writes the batch's events, in the order of their decisions: one outbox row for the whole batch.
 */
export const insertEvents = (schema: SchemaName) => {
  const sql = `
    INSERT INTO ${schema}.outbox (occurred_at, events, attempt_id)
    VALUES ($1::timestamptz, $2::text::json, $3::uuid)`
  return (events: ReadonlyArray<BoxOfficeEvent>, attemptId: string): Query<void> => ({
    sql,
    params: [new Date(events.at(-1)!.at), encodeEvents(events), attemptId],
    read: () => {}
  })
}
