/** The store on a host's pool: it runs its own transactions on connections that the pool lends. */
import { BoxOfficeStore, type StoreUnavailable } from "@boxoffice/core"
import type { CommitStatus, LoadPlan, Rows } from "@boxoffice/core/store"
import { Cause, Effect, Layer, Option } from "effect"
import type { SqlError } from "effect/sql/SqlError"
import { type Attempt, resolveCommit } from "../batch/commit.ts"
import { forceIndexPlans, settingsOfBatches } from "../batch/load/begin.ts"
import { type LockedRows, lockedRowsQueries, lookLimits } from "../batch/lockedRows.ts"
import type { InTransaction } from "../batch/save/inTransaction.ts"
import { AttemptFailed, retrying } from "../batch/transact.ts"
import { makeClosing } from "../connection/closing.ts"
import type { DatabaseInvalid } from "../connection/databaseSetting.ts"
import { openingFailed, openingRefused, type StoreLocation } from "../connection/opening.ts"
import { probeStatements, shareProbe } from "../connection/probe.ts"
import { type Waits, waitsOf } from "../connection/waits.ts"
import { EncodingUnsupported, SchemaMismatch } from "../Migrator.ts"
import { head } from "../migrator/steps.ts"
import { makeOperations } from "../operations/operations.ts"
import { checkStoreOptions } from "../options.ts"
import type { Pipeline } from "../Pipeline.ts"
import type { Query } from "../Query.ts"
import { type SchemaName, schemaName } from "../schemaName.ts"
import { unavailable } from "../sqlFailure.ts"
import { type Decided, makeBatch } from "./batch.ts"
import {
  abortable,
  type HostClient,
  type HostPool,
  locationOf,
  type Run,
  runEach,
  runOn
} from "./client.ts"
import { sqlErrorOf } from "./driverFailure.ts"
import { statementOf } from "./statement.ts"
import { makeWatching, type Watching } from "./watch.ts"

/**
 * The store on a host's pool: see `Host`. There every statement is a round trip, so a batch takes
 * longer than on connections of the store's own. The schema is only verified, never migrated.
 */
export const layerPool = (
  pool: HostPool,
  options: {
    readonly schema?: string | undefined
    readonly inTransaction?: InTransaction | undefined
    /** How long to wait, and for what. How long for a new connection is the pool's to say. */
    readonly waits?: Partial<Waits> | undefined
  } = {}
): Layer.Layer<
  BoxOfficeStore,
  SchemaMismatch | EncodingUnsupported | DatabaseInvalid | StoreUnavailable
> =>
  Layer.effect(
    BoxOfficeStore,
    Effect.gen(function* () {
      checkStoreOptions(options)
      const schema = schemaName(options.schema ?? "boxoffice")
      const waits = waitsOf(options.waits)
      const watching = makeWatching(waits.answerWithinMs)
      const closing = makeClosing(watching, waits.closeWithinMs).engine
      const run = runOn(watchedClient(pool, watching))
      yield* verify(run, schema, locationOf(pool))
      const runPipeline = (pipeline: Pipeline) => runEach(run, pipeline)
      const transacted = transactedOn(pool, watching)
      const attempt = attemptOn(
        transacted,
        settingsOfBatches(waits),
        makeBatch(schema, { inTransaction: options.inTransaction })
      )
      const resolveLostCommit = (lost: Attempt) =>
        Effect.timeoutOrElse(resolveCommit(schema, lost, run), {
          duration: waits.answerWithinMs,
          orElse: () => Effect.succeed<CommitStatus>("unknown")
        })
      const probe = Effect.tryPromise({
        try: () =>
          transacted(async (client) => {
            for (const query of [forceIndexPlans(waits), ...probeStatements(schema)]) {
              const { text, params } = statementOf(query)
              await client.query(text, [...params])
            }
          }),
        catch: (error) => unavailable(sqlErrorOf(error))
      })
      const lockedQueries = lockedRowsQueries(schema)
      const lockedRows = (plan: LoadPlan) =>
        Effect.tryPromise({
          try: () =>
            transacted((client) => {
              const queries = [forceIndexPlans({ ...waits, ...lookLimits }), ...lockedQueries(plan)]
              return Effect.runPromise(
                Effect.forEach(queries, (query) => runOn(client)(query as Query<unknown>))
              )
            }),
          catch: (error) => unavailable(sqlErrorOf(error))
        }).pipe(
          Effect.map(([, ...found]) => new Map((found as ReadonlyArray<LockedRows>).flat())),
          Effect.withSpan("SqlStore.lockedRows")
        )
      return BoxOfficeStore.of({
        transact: retrying({ attempt, resolveLostCommit }),
        lockedRows,
        ...makeOperations(schema)({ run, runPipeline, fault: unavailable }),
        ping: Effect.withSpan(shareProbe(probe), "SqlStore.ping"),
        closing
      })
    })
  )

/** A client whose statements each have a time limit. */
const watchedClient = (pool: HostPool, watching: Watching): HostClient => ({
  query: (text, params) =>
    watching.during(
      ({ signal }) => abortable(pool)?.query(text, params, signal) ?? pool.query(text, params)
    )
})

/**
 * Runs work in a transaction of the pool. Each answer has a time limit: of a connection, of each
 * statement, of the commit. A transaction that was given up cannot go on to its commit.
 */
type Transacted = <A>(work: (client: HostClient, heard: () => void) => Promise<A>) => Promise<A>

const transactedOn =
  (pool: HostPool, watching: Watching): Transacted =>
  (work) =>
    watching.during(({ signal, heard }) => {
      const begun = async (client: HostClient) => {
        const watched: HostClient = {
          query: async (text, params) => {
            heard()
            const answer = await client.query(text, params)
            heard()
            return answer
          }
        }
        await watched.query(statementOf(readCommitted).text, [])
        return work(watched, heard)
      }
      return abortable(pool)?.transaction(begun, signal) ?? pool.transaction(begun)
    })

/** Verifies the schema and changes nothing: see `Migrator.ts` for what alters a schema. */
const verify = (run: Run, schema: SchemaName, location: StoreLocation) =>
  Effect.gen(function* () {
    const found = yield* run(encoding)
    if (found.encoding !== "UTF8") return yield* new EncodingUnsupported(found)
    const [exists] = yield* run(table(schema))
    const known = exists ? yield* run(version(schema)) : 0
    if (known !== head) return yield* new SchemaMismatch({ schema, found: known, expected: head })
  }).pipe(
    Effect.catchTag(
      "SqlError",
      (error): Effect.Effect<never, DatabaseInvalid | StoreUnavailable> =>
        Effect.fail(openingRefused("database", location, error) ?? openingFailed(location, error))
    )
  )

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

// The pool may begin its transactions at another level: see `load/begin.ts`.
const readCommitted: Query<void> = {
  // Guard pool-read-committed: with "SELECT 1" for "SET…COMMITTED", smallGuards.test "of another isolation" fails.
  sql: "SET TRANSACTION ISOLATION LEVEL READ COMMITTED",
  params: [],
  read: () => {}
}

const attemptOn =
  (
    transacted: Transacted,
    settings: (plan: LoadPlan) => Query<void>,
    batch: ReturnType<typeof makeBatch>
  ) =>
  <A>(plan: LoadPlan, decide: (rows: Rows) => A): Effect.Effect<A, AttemptFailed> =>
    Effect.contextWith((context) => {
      // The error or result of the work itself, since the pool may wrap it.
      let failed: Cause.Cause<SqlError> | undefined
      let worked: Decided<A> | undefined
      const work = (run: Run, heard: () => void) =>
        Effect.andThen(run(settings(plan)), batch(run, plan, decide)).pipe(
          // Throws if the transaction was given up before this point, so that it is not committed.
          // From here on it may be.
          Effect.tap((done) =>
            Effect.try({
              try: () => {
                heard()
                worked = done
              },
              catch: sqlErrorOf
            })
          ),
          Effect.tapCause((cause) => Effect.sync(() => (failed = cause))),
          Effect.runPromiseWith(context)
        )
      return Effect.tryPromise({
        try: () => transacted((client, heard) => work(runOn(client), heard)),
        catch: (error) => error
      }).pipe(
        Effect.catch((error): Effect.Effect<never, AttemptFailed> => {
          // A defect, such as one in a hook of the host, is a defect on every kind of connection:
          // the batcher bisects the batch to find its command. It is no failure of the database.
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
