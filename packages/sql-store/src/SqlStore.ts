/** The store on Postgres 15 or newer. */

import { BoxOfficeStore, type StoreUnavailable } from "@boxoffice/core"
import { PgClient, PgPool } from "@effect/sql-pg"
import { Effect, Layer, Redacted } from "effect"
import type { SqlError } from "effect/sql/SqlError"
import { unavailable } from "./failure.ts"
import { type MigrationBlocked, migrate, type SchemaMismatch, verify } from "./Migrator.ts"
import { makeOperations, type Runner } from "./operations.ts"
import { runQuery } from "./Query.ts"
import type { InTransaction } from "./save/inTransaction.ts"
import { schemaName } from "./schemaName.ts"
import { makeTransact } from "./transact.ts"

export { layerPool } from "./host/pool.ts"

export interface SqlStoreOptions {
  /** The schema that holds the tables: 1 to 63 of `a-z 0-9 _`. Default `boxoffice`. */
  readonly schema?: string | undefined
  /**
   * Whether to bring the schema up to date at start. By default it is only verified: a host's
   * database is never altered unasked.
   */
  readonly migrate?: boolean | undefined
  /** The most connections the store opens, 2 or more. Default: the client's, or else 10. */
  readonly maxConnections?: number | undefined
  /** Writes rows of the host's own together with the events of each batch. */
  readonly inTransaction?: InTransaction | undefined
}

/**
 * The store, on the database that the client connects to.
 *
 * The client itself serves the migrator alone. The store opens its own connections with the
 * client's settings, since it sends all statements of a phase before it waits for the first
 * answer, and a connection that a client lends waits for each. Most carry one batch each; a
 * quarter, at most four, are shared by all reads.
 */
export const layer = (
  options: SqlStoreOptions = {}
): Layer.Layer<
  BoxOfficeStore,
  SchemaMismatch | MigrationBlocked | StoreUnavailable,
  PgClient.PgClient
> => Layer.effect(BoxOfficeStore, Effect.catchTag(make(options), "SqlError", fail))

/** The store on the database of a URL, such as `postgres://user:password@host:5432/name`. */
export const layerUrl = ({
  url,
  ...options
}: SqlStoreOptions & { readonly url: string }): Layer.Layer<
  BoxOfficeStore,
  SchemaMismatch | MigrationBlocked | StoreUnavailable
> =>
  layer(options).pipe(
    Layer.provide(PgClient.layer({ url: Redacted.make(url) })),
    Layer.catchTag("SqlError", (error: SqlError) => Layer.effect(BoxOfficeStore, fail(error)))
  )

const fail = (error: SqlError) => Effect.fail(unavailable(error))

const make = (options: SqlStoreOptions) =>
  Effect.gen(function* () {
    const schema = schemaName(options.schema ?? "boxoffice")
    const client = yield* PgClient.PgClient
    yield* options.migrate ? migrate(options) : verify(options)

    const config: PgClient.PgPoolConfig = client.config
    const connections = Math.max(2, options.maxConnections ?? config.maxConnections ?? 10)
    const readers = Math.max(1, Math.min(4, connections >> 2))
    // The driver's own types: a client may have been given others.
    const own = { ...config, types: undefined, multiplex: true }
    const reads = yield* PgPool.make({ ...own, minConnections: 0, maxConnections: readers })
    const batches = yield* PgPool.make({
      ...own,
      // A batch has its connection to itself, and only so may it send statements ahead.
      multiplexConcurrency: 1,
      maxConnections: connections - readers
    })
    return BoxOfficeStore.of({
      transact: makeTransact(batches, schema, options.inTransaction),
      ...makeOperations(schema)(runnerOf(reads))
    })
  })

const runnerOf = (pool: PgPool.PgPool): Runner => ({
  run: (query) => pool.use((connection) => runQuery(connection, query)),
  fly: (flight) => pool.use((connection) => flight.run(connection)),
  fault: unavailable
})
