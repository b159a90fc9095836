/** A schema to play in, which may be thrown away at any time, and is marked as such. */
import { PgClient } from "@effect/sql-pg"
import { Effect, Schema } from "effect"
import type { SqlError } from "effect/sql/SqlError"
import { schemaName } from "./schemaName.ts"

/** There is a schema of that name that nobody has marked as a playground. It was left alone. */
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
 * Makes an empty schema. Empties one that was made by this before; refuses any other, so that no
 * rows are lost that somebody wanted.
 */
export const open = (
  name: string
): Effect.Effect<void, NotScratchSchema | SqlError, PgClient.PgClient> =>
  Effect.gen(function* () {
    const schema = schemaName(name)
    const sql = yield* PgClient.PgClient
    yield* sql.withTransaction(
      Effect.gen(function* () {
        // One at a time: what is looked at stays so until it is dropped.
        yield* sql`SELECT pg_advisory_xact_lock(hashtextextended(${`boxoffice play ${name}`}, 0))`
        const [found] = yield* sql<{ mark: string | null }>`
          SELECT obj_description(oid, 'pg_namespace') AS mark FROM pg_namespace
          WHERE nspname = ${name}`
        if (found !== undefined && found.mark !== mark) {
          return yield* new NotScratchSchema({ schema: name })
        }
        yield* sql.unsafe(`DROP SCHEMA IF EXISTS ${schema} CASCADE`)
        yield* sql.unsafe(`CREATE SCHEMA ${schema}`)
        yield* sql.unsafe(`COMMENT ON SCHEMA ${schema} IS '${mark}'`)
      })
    )
  })

/** Removes a schema that {@link open} has made. */
export const close = (
  name: string
): Effect.Effect<void, NotScratchSchema | SqlError, PgClient.PgClient> =>
  Effect.gen(function* () {
    const sql = yield* PgClient.PgClient
    // Whatever has taken its place meanwhile is not removed.
    yield* open(name)
    yield* sql.unsafe(`DROP SCHEMA ${schemaName(name)} CASCADE`)
  })
