/** The store on a host's pool: its own transactions, on connections that the host lends. */
import { BoxOfficeStore, type RowNames, type Rows, type StoreUnavailable } from "@boxoffice/core"
import { Cause, Effect, Layer, Option } from "effect"
import type { SqlError } from "effect/sql/SqlError"
import { findFate } from "../commit.ts"
import { unavailable } from "../failure.ts"
import { planByKey } from "../load/begin.ts"
import { EncodingUnsupported, SchemaMismatch } from "../Migrator.ts"
import { head } from "../migrator/steps.ts"
import { makeOperations } from "../operations.ts"
import type { Flight, Query } from "../Query.ts"
import type { InTransaction } from "../save/inTransaction.ts"
import { type SchemaName, schemaName } from "../schemaName.ts"
import { AttemptFailed, retrying } from "../transact.ts"
import { type Decided, makeBatch } from "./batch.ts"
import { type HostPool, type Run, runEach, runOn } from "./client.ts"
import { sqlErrorOf } from "./failure.ts"

/**
 * The store on a host's pool: see `Host`. Every statement is a round trip of its own there, so that
 * a batch takes longer than on connections of the store's own. The schema is only verified.
 */
export const layerPool = (
  pool: HostPool,
  options: {
    readonly schema?: string | undefined
    readonly inTransaction?: InTransaction | undefined
  } = {}
): Layer.Layer<BoxOfficeStore, SchemaMismatch | EncodingUnsupported | StoreUnavailable> =>
  Layer.effect(
    BoxOfficeStore,
    Effect.gen(function* () {
      const schema = schemaName(options.schema ?? "boxoffice")
      const run = runOn(pool)
      yield* verify(run, schema)
      const fly = (flight: Flight) => runEach(run, flight)
      const attempt = attemptOn(pool, schema, options.inTransaction)
      return BoxOfficeStore.of({
        transact: retrying({ attempt, fate: (lost) => findFate(schema, lost, run) }),
        ...makeOperations(schema)({ run, fly, fault: unavailable })
      })
    })
  )

/** Only looks: see `Migrator.ts` for what alters a schema. */
const verify = (run: Run, schema: SchemaName) =>
  Effect.gen(function* () {
    const found = yield* run(encoding)
    if (found.encoding !== "UTF8") return yield* new EncodingUnsupported(found)
    const [exists] = yield* run(table(schema))
    const known = exists ? yield* run(version(schema)) : 0
    if (known !== head) return yield* new SchemaMismatch({ schema, found: known, expected: head })
  }).pipe(Effect.catchTag("SqlError", (error) => Effect.fail(unavailable(error))))

const encoding: Query<{ readonly database: string; readonly encoding: string }> = {
  sql: "SELECT current_database()::text, current_setting('server_encoding')",
  params: [],
  read: ([row]) => ({ database: row![0], encoding: row![1] })
}
const table = (schema: SchemaName): Query<ReadonlyArray<boolean>> => ({
  sql: "SELECT to_regclass($1::text) IS NOT NULL",
  params: [`${schema}.migration`],
  read: (rows) => rows.map(([exists]) => exists)
})
const version = (schema: SchemaName): Query<number> => ({
  sql: `SELECT coalesce(max(version), 0) FROM ${schema}.migration`,
  params: [],
  read: ([row]) => row![0]
})

// Whatever the pool begins its transactions with: see `load/begin.ts`.
const readCommitted: Query<void> = {
  sql: "SET TRANSACTION ISOLATION LEVEL READ COMMITTED",
  params: [],
  read: () => {}
}

const attemptOn = (pool: HostPool, schema: SchemaName, inTransaction?: InTransaction) => {
  const batch = makeBatch(schema, { first: [readCommitted, planByKey], inTransaction })

  return <A>(names: RowNames, decide: (rows: Rows) => A): Effect.Effect<A, AttemptFailed> =>
    Effect.contextWith((context) => {
      // What the work failed with or came to: what the pool says of it may be wrapped.
      let failed: Cause.Cause<SqlError> | undefined
      let worked: Decided<A> | undefined
      const work = (run: Run) =>
        batch(run, names, decide).pipe(
          Effect.tap((done) => Effect.sync(() => (worked = done))),
          Effect.tapCause((cause) => Effect.sync(() => (failed = cause))),
          Effect.runPromiseWith(context)
        )
      return Effect.tryPromise({
        try: () => pool.transaction((client) => work(runOn(client))),
        catch: (error) => error
      }).pipe(
        Effect.catch((error): Effect.Effect<never, AttemptFailed> => {
          // A bug, such as in a hook of the host's, is one on every kind of connection: it is looked
          // for among the commands of the batch, and is no failure of the database.
          if (failed !== undefined && Cause.hasDies(failed)) {
            return Effect.failCause(failed as Cause.Cause<never>)
          }
          const known = failed && Option.getOrUndefined(Cause.findErrorOption(failed))
          return Effect.fail(
            new AttemptFailed(known ?? sqlErrorOf(error), worked?.outcome, worked?.attempt)
          )
        }),
        Effect.map(({ outcome }) => outcome),
        Effect.uninterruptible
      )
    })
}
