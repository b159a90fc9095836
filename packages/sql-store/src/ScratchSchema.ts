/** A scratch schema: it can be emptied at any time, and carries a comment that says so. */
import { PgClient } from "@effect/sql-pg"
import { Effect, Schema } from "effect"
import type { SqlError } from "effect/sql/SqlError"
import { schemaName } from "./schemaName.ts"

/** A schema of that name exists without the mark of a scratch schema. It was not changed. */
export class NotScratchSchema extends Schema.TaggedError<NotScratchSchema>()("NotScratchSchema", {
  schema: Schema.String
}) {
  override get message() {
    return (
      `The schema ${this.schema} is there already, and is not one to play in: it is untouched. ` +
      "Choose a name that is free."
    )
  }
}

const mark = "Box Office plays here: this schema is emptied without asking."

/**
 * Creates an empty schema. Empties one that this function created before; refuses any other, so
 * that no rows are lost by mistake.
 */
export const open = (
  name: string
): Effect.Effect<void, NotScratchSchema | SqlError, PgClient.PgClient> =>
  Effect.gen(function* () {
    const schema = schemaName(name)
    const sql = yield* PgClient.PgClient
    yield* sql.withTransaction(
      Effect.gen(function* () {
        // One at a time: the schema found stays the same until it is dropped.
        yield* sql`SELECT pg_advisory_xact_lock(hashtextextended(${`boxoffice play ${name}`}, 0))`
        const [found] = yield* sql<{ mark: string | null }>`
          SELECT obj_description(oid, 'pg_namespace') AS mark FROM pg_namespace
          WHERE nspname = ${name}`
        // Guard scratch-own: without it, scratchSchema.test "leaves others alone" fails.
        if (found !== undefined && found.mark !== mark) {
          return yield* new NotScratchSchema({ schema: name })
        }
        yield* sql.unsafe(`DROP SCHEMA IF EXISTS ${schema} CASCADE`)
        yield* sql.unsafe(`CREATE SCHEMA ${schema}`)
        yield* sql.unsafe(`COMMENT ON SCHEMA ${schema} IS '${mark}'`)
      })
    )
  })

/** Removes a schema that {@link open} has created. */
export const close = (
  name: string
): Effect.Effect<void, NotScratchSchema | SqlError, PgClient.PgClient> =>
  Effect.gen(function* () {
    const sql = yield* PgClient.PgClient
    // Refuses a schema that has taken its place meanwhile.
    yield* open(name)
    yield* sql.unsafe(`DROP SCHEMA ${schemaName(name)} CASCADE`)
  })
