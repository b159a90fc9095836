/** By what a cursor is known to be of this life of the server. */
import type { SchemaName } from "../../schemaName.ts"

/**
 * Identifies the life of the server that answers. Its snapshots mean the same only until it crashes
 * or another server takes over; Postgres empties the table then (see `server_life` in
 * `migrations/`). No clock is involved: with a clock that stepped back, a later life could pass for
 * an earlier one. Null if no statement has named this life yet. A copy of the database elsewhere
 * has the same row, but another system identifier.
 */
export const lifeOf = (schema: SchemaName): string => `(SELECT life_id || '/' || system_identifier
    FROM ${schema}.server_life, pg_control_system())`

/** Whether a page of `since` was read in the same life. A saved cursor is good in any life. */
export const isSameLife = (schema: SchemaName, since: string): string =>
  `(${since}::text IS NULL OR coalesce(${since}::text = ${lifeOf(schema)}, false))`

/** Names the life of the server, if it has no name yet. */
// Guard life-named-once: without "ON CONFLICT DO NOTHING", conformance.test "one stream at a time" fails.
export const nameLife = (schema: SchemaName): string => `
    INSERT INTO ${schema}.server_life (life_id) VALUES (gen_random_uuid()) ON CONFLICT DO NOTHING`
