import { aggregateOf, type BoxOfficeEvent } from "@boxoffice/core"
import { instants, type Query, texts } from "../Query.ts"
import type { SchemaName } from "../schemaName.ts"

/** What happened, in the order in which it was decided. */
export const insertEvents = (schema: SchemaName) => {
  const sql = `
    INSERT INTO ${schema}.outbox (aggregate_kind, aggregate_id, type, event, occurred_at)
    SELECT kind, id, type, event::jsonb, at
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[])
      AS saved (kind, id, type, event, at)`
  return (events: ReadonlyArray<BoxOfficeEvent>): Query<void> => {
    const kinds: Array<string> = []
    const ids: Array<string> = []
    const types: Array<string> = []
    const bodies: Array<string> = []
    const ats: Array<number> = []
    for (const event of events) {
      const [kind, id] = aggregateOf(event)
      kinds.push(kind)
      ids.push(id)
      types.push(event._tag)
      bodies.push(JSON.stringify(event, exactly))
      ats.push(event.at)
    }
    return {
      sql,
      params: [texts(kinds), texts(ids), texts(types), texts(bodies), instants(ats)],
      read: () => {}
    }
  }
}

/** A bigint becomes a string: JSON numbers are not exact everywhere. */
const exactly = (_key: string, value: unknown): unknown =>
  typeof value === "bigint" ? value.toString() : value
