/** The store on Postgres 15 or newer. */

import { BoxOfficeStore, type StoreUnavailable } from "@boxoffice/core"
import { PgClient, type PgConnection, PgPool } from "@effect/sql-pg"
import { Effect, Layer, Redacted } from "effect"
import type { SqlError } from "effect/sql/SqlError"
import { makeLockedRows } from "./batch/lockedRows.ts"
import type { InTransaction } from "./batch/save/inTransaction.ts"
import { makeTransact } from "./batch/transact.ts"
import { makeClosing } from "./connection/closing.ts"
import { type DatabaseInvalid, invalidUrl } from "./connection/databaseSetting.ts"
import { locationOfUrl, openingFailed } from "./connection/opening.ts"
import { makeProbe, shareProbe } from "./connection/probe.ts"
import { makeSockets } from "./connection/sockets.ts"
import { type Waits, waitsOf } from "./connection/waits.ts"
import {
  type EncodingUnsupported,
  type MigrationBlocked,
  migrate,
  type SchemaMismatch,
  verify
} from "./Migrator.ts"
import { makeOperations, type StatementRunner } from "./operations/operations.ts"
import { checkStoreOptions } from "./options.ts"
import { runQuery } from "./Query.ts"
import { schemaName } from "./schemaName.ts"
import { deadline, isPoisoned, unavailable, type WithDeadline } from "./sqlFailure.ts"

export type { Waits } from "./connection/waits.ts"
export { layerPool } from "./host/pool.ts"

export interface SqlStoreOptions {
  /** The schema that holds the tables: 1 to 63 of `a-z 0-9 _`. Default `boxoffice`. */
  readonly schema?: string | undefined
  /**
   * Whether to migrate the schema at start. By default it is only verified: the engine never alters
   * a host's database unless asked.
   */
  readonly migrate?: boolean | undefined
  /** The most connections the store opens, 2 or more. Default: the client's, or else 10. */
  readonly maxConnections?: number | undefined
  /** Time limits that differ from the defaults. */
  readonly waits?: Partial<Waits> | undefined
  /**
   * Whether the server keeps statements prepared under a name, which saves parsing them. Default
   * `true`. Set to `false` behind a pooler that gives each transaction another session and does not
   * keep track of names, such as PgBouncer before 1.21 in transaction mode.
   */
  readonly preparedStatements?: boolean | undefined
  /** Writes the host's own rows together with the events of each batch. */
  readonly inTransaction?: InTransaction | undefined
}

/**
 * The store, on the database that the client connects to.
 *
 * The client itself serves the migrator alone. The store opens its own connections with the
 * client's settings, since it sends all statements of a phase before it waits for the first answer;
 * a connection that a client lends waits for each answer. Most of these connections carry one batch
 * each. A quarter, at most four, serve all reads.
 */
export const layer = (
  options: SqlStoreOptions = {}
): Layer.Layer<
  BoxOfficeStore,
  SchemaMismatch | MigrationBlocked | EncodingUnsupported | StoreUnavailable,
  PgClient.PgClient
> => Layer.effect(BoxOfficeStore, Effect.catchTag(make(options), "SqlError", fail))

/** The store on the database of a URL, such as `postgres://user:password@host:5432/name`. */
export const layerUrl = ({
  url,
  ...options
}: SqlStoreOptions & { readonly url: string }): Layer.Layer<
  BoxOfficeStore,
  SchemaMismatch | MigrationBlocked | DatabaseInvalid | EncodingUnsupported | StoreUnavailable
> => layerAt(url, options, { setting: "url", refused: () => undefined })

/**
 * @internal The same, but a setting that the server refuses fails with the error of `origin.refused`.
 */
export const layerAt = (
  url: string,
  options: SqlStoreOptions,
  origin: {
    readonly setting: string
    readonly refused: (error: SqlError) => DatabaseInvalid | undefined
  }
): ReturnType<typeof layerUrl> => {
  const invalid = invalidUrl(origin.setting, url)
  if (invalid !== undefined) return Layer.effect(BoxOfficeStore, Effect.fail(invalid))
  return Layer.effect(BoxOfficeStore, make(options)).pipe(
    Layer.provide(
      PgClient.layer({ url: Redacted.make(url), prepare: options.preparedStatements ?? true })
    ),
    Layer.catchTag("SqlError", (error: SqlError) =>
      Layer.effect(
        BoxOfficeStore,
        Effect.fail(origin.refused(error) ?? openingFailed(locationOfUrl(url), error))
      )
    )
  )
}

const fail = (error: SqlError) => Effect.fail(unavailable(error))

const make = (options: SqlStoreOptions) =>
  Effect.gen(function* () {
    checkStoreOptions(options)
    const schema = schemaName(options.schema ?? "boxoffice")
    const waits = waitsOf(options.waits)
    const withDeadline = deadline(waits.answerWithinMs)
    checkWhole("maxConnections", options.maxConnections)
    const client = yield* PgClient.PgClient
    yield* options.migrate ? migrate(options) : withDeadline(verify(options))

    const config: PgClient.PgPoolConfig = client.config
    const connections = Math.max(2, options.maxConnections ?? config.maxConnections ?? 10)
    const readers = Math.max(1, Math.min(4, connections >> 2))
    const sockets = makeSockets(config, waits.answerWithinMs)
    yield* Effect.addFinalizer(() => sockets.leave)
    const own = {
      ...config,
      // The driver's own types: the client may have others.
      types: undefined,
      multiplex: true,
      stream: sockets.open,
      ...(waits.connectWithinMs !== undefined && { connectTimeout: waits.connectWithinMs }),
      ...(options.preparedStatements !== undefined && { prepare: options.preparedStatements })
    }
    const closing = makeClosing(sockets, waits.closeWithinMs)
    const { reads, pool } = yield* closing.around(
      Effect.all({
        reads: PgPool.make({ ...own, minConnections: 0, maxConnections: readers }),
        pool: PgPool.make({
          ...own,
          // A batch has its connection to itself; only then may it send statements ahead.
          multiplexConcurrency: 1,
          maxConnections: connections - readers
        })
      })
    )
    const batchContext = { pool, schema, waits, isDropped: sockets.isDropped }
    const operations = makeOperations(schema)(runnerOf(reads, withDeadline))
    const probes = Effect.all([makeProbe(batchContext), operations.ping], {
      concurrency: "unbounded",
      discard: true
    })
    return BoxOfficeStore.of({
      transact: makeTransact(batchContext, options.inTransaction),
      lockedRows: makeLockedRows(batchContext),
      ...operations,
      ping: Effect.withSpan(shareProbe(probes), "SqlStore.ping"),
      closing: closing.engine
    })
  })

const checkWhole = (name: string, value: number | undefined): void => {
  if (value === undefined || (Number.isInteger(value) && value >= 1 && value < 2 ** 31)) return
  throw new RangeError(`${name} cannot be ${value}: expected a whole number from 1 on`)
}

/**
 * Runs reads on a connection of the pool. A connection that does not answer is dropped, since
 * another one may answer. The wait for a free connection has the same limit.
 */
const reading = <A>(
  pool: PgPool.PgPool,
  withDeadline: WithDeadline,
  read: (connection: PgConnection.PgConnection) => Effect.Effect<A, SqlError>
): Effect.Effect<A, SqlError> =>
  Effect.scoped(
    Effect.flatMap(withDeadline(pool.get), (connection) =>
      // Guard read-deadline: without "withDeadline", outage.test "go silent are dropped" fails.
      Effect.tapError(withDeadline(read(connection)), (error) =>
        isPoisoned(error) ? Effect.forkDetach(pool.invalidate(connection)) : Effect.void
      )
    )
  )

const runnerOf = (pool: PgPool.PgPool, withDeadline: WithDeadline): StatementRunner => ({
  run: (query) => reading(pool, withDeadline, (connection) => runQuery(connection, query)),
  runPipeline: (pipeline) => reading(pool, withDeadline, (connection) => pipeline.run(connection)),
  fault: unavailable
})
