/**
 * A cursor is `seen reading batch_id highest`: see `event_consumer` in `migrations/`. Between two
 * rounds nothing is being read, which `-` stands for.
 */
import type { SchemaName } from "../../schemaName.ts"

interface Cursor {
  readonly seen: string
  readonly reading: string | null
  readonly batchId: bigint
  readonly highest: bigint
}

export const toCursor = ({ seen, reading, batchId, highest }: Cursor): string =>
  `${seen} ${reading ?? "-"} ${batchId} ${highest}`

export const fromCursor = (cursor: string): Cursor => {
  const [seen, reading, batchId, highest] = cursor.split(" ") as [string, string, string, string]
  return {
    seen,
    reading: reading === "-" ? null : reading,
    batchId: BigInt(batchId),
    highest: BigInt(highest)
  }
}

/**
 * Names the life of the server that answers: what it says is the same only until it crashes, or another
 * one takes over, when Postgres empties the table (see `server_life` in `migrations/`). No clock has a
 * say: one that steps back would let a later life pass for an earlier one. Null where nobody has named
 * this life yet. A copy of the database elsewhere has the row, and another system.
 */
export const lifeOf = (schema: SchemaName): string => `(SELECT life_id || '/' || system_identifier
    FROM ${schema}.server_life, pg_control_system())`

/** Whether a page of `since` was read in the same life. What was saved is good in any. */
export const livesOn = (schema: SchemaName, since: string): string =>
  `(${since}::text IS NULL OR coalesce(${since}::text = ${lifeOf(schema)}, false))`

/** Of a page that was read before anybody named the life: no later page is known to be of the same. */
export const unnamedLife = "unnamed"

/** Names the life of the server, where nobody has. */
export const nameLife = (schema: SchemaName): string => `
    INSERT INTO ${schema}.server_life (life_id) VALUES (gen_random_uuid()) ON CONFLICT DO NOTHING`
