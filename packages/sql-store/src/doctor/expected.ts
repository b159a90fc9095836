/**
 * What a schema should contain. The doctor runs the migrations themselves in a scratch schema that
 * is never committed.
 */
import type { PgClient } from "@effect/sql-pg"
import { Data, Effect } from "effect"
import type { SqlError } from "effect/sql/SqlError"
import { asOneStatement, nothingYet, type Step, stepsOf } from "../migrator/steps.ts"
import { type SchemaName, schemaName } from "../schemaName.ts"
import { type Fact, keyOf, readFacts } from "./facts.ts"

export interface ExpectedFact extends Fact {
  /**
   * The definition as this server writes it after a dump was restored. A restore parses the
   * server's own text, and groups `AND` and `OR` differently from the migration: by `a BETWEEN 1
   * AND 2` Postgres means `(a >= 1 AND a <= 2)`, but it reads `a >= 1 AND a <= 2 AND b` as one
   * list.
   */
  readonly restored: string
}

/** Carries the facts out of a transaction that is rolled back. */
class Read extends Data.TaggedError("Read")<{ readonly facts: ReadonlyArray<ExpectedFact> }> {}

/**
 * The facts of a schema just migrated to a version, as this server writes them. The schema is
 * created under another name, in a transaction that is rolled back: no other session sees it, and
 * no existing table is locked. This takes the right to create a schema. If the facts `found` differ
 * from it, the schema is created once more, as a restore does.
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
        // As for reading the facts, whatever the session's own setting is.
        yield* sql`SELECT set_config('quote_all_identifiers', 'off', true)`
        // One session runs one doctor at a time, so its pid makes a unique name.
        const [session] = yield* sql<{ pid: number; plain: string }>`
          SELECT pg_backend_pid() AS pid, quote_ident(${schema}) AS plain`
        const scratch = `boxoffice_doctor_${session!.pid}`
        for (const step of stepsOf(schemaName(scratch), nothingYet, { to: version })) {
          yield* sql.unsafe(asOneStatement(step))
        }
        // Replaces the scratch name by the schema's name. The scratch name occurs nowhere else.
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

/** Creates the schema again from the facts read of it, as a dump does. The search path is empty. */
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
    // The sequences of identity columns exist already.
    ...definitions("sequence").map((sequence) =>
      sequence.replace("CREATE SEQUENCE", "CREATE SEQUENCE IF NOT EXISTS")
    ),
    ...definitions("storage"),
    // Keys come first: a foreign key refers to a unique one.
    ...constraints.filter((definition) => !isReference(definition)),
    ...constraints.filter(isReference),
    ...definitions("index"),
    ...definitions("view"),
    ...definitions("trigger")
  ]
  const sql = statements.map((statement) => `${statement.replace(/;\s*$/, "")};`).join("\n")
  return { title: "the schema, as restored", sql }
}
