/** What a schema should have: the migrations are asked themselves, in a schema that never is. */
import type { PgClient } from "@effect/sql-pg"
import { Data, Effect } from "effect"
import type { SqlError } from "effect/sql/SqlError"
import { asOneStatement, nothingYet, type Step, stepsOf } from "../migrator/steps.ts"
import { type SchemaName, schemaName } from "../schemaName.ts"
import { type Fact, keyOf, readFacts } from "./facts.ts"

export interface ExpectedFact extends Fact {
  /**
   * The same as this server writes it after a dump was restored. A restore parses what a server has
   * written, and groups `AND` and `OR` otherwise than the migration did: by `a BETWEEN 1 AND 2`
   * Postgres means `(a >= 1 AND a <= 2)`, and what it reads as `a >= 1 AND a <= 2 AND b` is one list.
   */
  readonly restored: string
}

/** Carries what was read out of a transaction that is rolled back. */
class Read extends Data.TaggedError("Read")<{ readonly facts: ReadonlyArray<ExpectedFact> }> {}

/**
 * The facts of a schema that was just migrated to a version, as this very server writes them. The
 * schema is made under another name, in a transaction that is rolled back: nobody sees it, and no
 * table of anybody's is locked. It takes the right to create a schema. Where what was `found` is not
 * as it is made there, it is made once more as by a restore.
 */
export const expectedFacts = (
  sql: PgClient.PgClient,
  schema: string,
  version: number,
  found: ReadonlyArray<Fact>
): Effect.Effect<ReadonlyArray<ExpectedFact>, SqlError> =>
  sql
    .withTransaction(
      Effect.gen(function* () {
        // As the facts are read, whatever the session quotes otherwise.
        yield* sql`SELECT set_config('quote_all_identifiers', 'off', true)`
        // One session is one doctor.
        const [session] = yield* sql<{ pid: number; plain: string }>`
          SELECT pg_backend_pid() AS pid, quote_ident(${schema}) AS plain`
        const scratch = `boxoffice_doctor_${session!.pid}`
        for (const step of stepsOf(schemaName(scratch), nothingYet, { to: version })) {
          yield* sql.unsafe(asOneStatement(step))
        }
        // As if it had been made in the schema. The scratch name stands nowhere else.
        const inSchema = (fact: Fact): Fact => ({
          ...fact,
          definition: fact.definition
            .replaceAll(`"${scratch}"`, `"${schema}"`)
            .replaceAll(scratch, () => session!.plain)
        })
        const made = yield* readFacts(sql, scratch)
        const facts = made.map(inSchema)
        const live = definitionsOf(found)
        const isAsMade = facts.every(
          (fact) => (live.get(keyOf(fact)) ?? fact.definition) === fact.definition
        )
        let restored = definitionsOf(facts)
        if (!isAsMade) {
          yield* sql.unsafe(asOneStatement(restore(schemaName(scratch), made)))
          restored = definitionsOf((yield* readFacts(sql, scratch)).map(inSchema))
        }
        return yield* new Read({
          facts: facts.map((fact) => ({
            ...fact,
            restored: restored.get(keyOf(fact)) ?? fact.definition
          }))
        })
      })
    )
    .pipe(Effect.catchTag("Read", ({ facts }) => Effect.succeed(facts)))

const definitionsOf = (facts: ReadonlyArray<Fact>): ReadonlyMap<string, string> =>
  new Map(facts.map((fact) => [keyOf(fact), fact.definition]))

/** Makes the schema anew from what was read of it, as a dump does. The search path is empty. */
const restore = (schema: SchemaName, facts: ReadonlyArray<Fact>): Step => {
  const of = (kind: Fact["kind"]) => facts.filter((fact) => fact.kind === kind)
  const definitions = (kind: Fact["kind"]) => of(kind).map(({ definition }) => definition)
  const isReference = (definition: string) => / FOREIGN KEY /.test(definition)
  const constraints = definitions("constraint")
  const statements = [
    `DROP SCHEMA ${schema} CASCADE`,
    `CREATE SCHEMA ${schema}`,
    ...definitions("function"),
    ...of("table").map(({ name, definition }) => {
      const columns = of("column").filter(({ owner }) => owner === name)
      return `CREATE ${definition} (${columns.map((column) => column.definition).join(", ")})`
    }),
    // Those of identity columns are there already.
    ...definitions("sequence").map((sequence) =>
      sequence.replace("CREATE SEQUENCE", "CREATE SEQUENCE IF NOT EXISTS")
    ),
    ...definitions("storage"),
    // What a foreign key refers to has to be unique before.
    ...constraints.filter((definition) => !isReference(definition)),
    ...constraints.filter(isReference),
    ...definitions("index"),
    ...definitions("view"),
    ...definitions("trigger")
  ]
  const sql = statements.map((statement) => `${statement.replace(/;\s*$/, "")};`).join("\n")
  return { title: "the schema, as restored", sql }
}
