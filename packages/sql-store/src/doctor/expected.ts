/** What a schema should have: the migrations are asked themselves, in a schema that never is. */
import type { PgClient } from "@effect/sql-pg"
import { Data, Effect } from "effect"
import type { SqlError } from "effect/sql/SqlError"
import { asOneStatement, nothingYet, stepsOf } from "../migrator/steps.ts"
import { schemaName } from "../schemaName.ts"
import { type Fact, readFacts } from "./facts.ts"

/** Carries what was read out of a transaction that is rolled back. */
class Read extends Data.TaggedError("Read")<{ readonly facts: ReadonlyArray<Fact> }> {}

/**
 * The facts of a schema that was just migrated to a version, as this very server writes them. The
 * schema is made under another name, in a transaction that is rolled back: nobody sees it, and no
 * table of anybody's is locked. It takes the right to create a schema.
 */
export const expectedFacts = (
  sql: PgClient.PgClient,
  schema: string,
  version: number
): Effect.Effect<ReadonlyArray<Fact>, SqlError> =>
  sql
    .withTransaction(
      Effect.gen(function* () {
        // One session is one doctor.
        const [session] = yield* sql<{ pid: number; plain: string }>`
          SELECT pg_backend_pid() AS pid, quote_ident(${schema}) AS plain`
        const scratch = `boxoffice_doctor_${session!.pid}`
        for (const step of stepsOf(schemaName(scratch), nothingYet, { to: version })) {
          yield* sql.unsafe(asOneStatement(step))
        }
        const facts = yield* readFacts(sql, scratch)
        return yield* new Read({
          // As if it had been made in the schema. The scratch name stands nowhere else.
          facts: facts.map((fact) => ({
            ...fact,
            definition: fact.definition
              .replaceAll(`"${scratch}"`, `"${schema}"`)
              .replaceAll(scratch, session!.plain)
          }))
        })
      })
    )
    .pipe(Effect.catchTag("Read", ({ facts }) => Effect.succeed(facts)))
