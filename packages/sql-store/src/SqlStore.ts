/** The store on Postgres 15 or newer. */

import { BoxOfficeStore, type StoreUnavailable } from "@boxoffice/core"
import { PgClient, type PgConnection, PgPool } from "@effect/sql-pg"
import { Effect, Layer, Redacted } from "effect"
import type { SqlError } from "effect/sql/SqlError"
import { type DatabaseInvalid, invalidUrl } from "./databaseSetting.ts"
import { deadline, isPoisoned, unavailable, type WithDeadline } from "./failure.ts"
import {
  type EncodingUnsupported,
  type MigrationBlocked,
  migrate,
  type SchemaMismatch,
  verify
} from "./Migrator.ts"
import { makeOperations, type Runner } from "./operations.ts"
import { runQuery } from "./Query.ts"
import type { InTransaction } from "./save/inTransaction.ts"
import { schemaName } from "./schemaName.ts"
import { makeProbe, makeTransact } from "./transact.ts"

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
  /**
   * The longest that the store waits for the server's answer to what it sent in one go, in
   * milliseconds: then it gives the connection up. Default 20,000; above what a statement may take,
   * which is 15,000.
   */
  readonly answerWithinMs?: number | undefined
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

/** @internal The same, of a setting whose user is to hear what the server has against it. */
export const layerAt = (
  url: string,
  options: SqlStoreOptions,
  user: {
    readonly setting: string
    readonly refused: (error: SqlError) => DatabaseInvalid | undefined
  }
): ReturnType<typeof layerUrl> => {
  const invalid = invalidUrl(user.setting, url)
  if (invalid !== undefined) return Layer.effect(BoxOfficeStore, Effect.fail(invalid))
  return Layer.effect(BoxOfficeStore, make(options)).pipe(
    Layer.provide(PgClient.layer({ url: Redacted.make(url) })),
    Layer.catchTag("SqlError", (error: SqlError) =>
      Layer.effect(BoxOfficeStore, Effect.fail(user.refused(error) ?? unavailable(error)))
    )
  )
}

const answerWithinMsDefault = 20_000

const fail = (error: SqlError) => Effect.fail(unavailable(error))

const make = (options: SqlStoreOptions) =>
  Effect.gen(function* () {
    const schema = schemaName(options.schema ?? "boxoffice")
    checkWhole("answerWithinMs", options.answerWithinMs)
    checkWhole("maxConnections", options.maxConnections)
    const client = yield* PgClient.PgClient
    yield* options.migrate ? migrate(options) : verify(options)

    const config: PgClient.PgPoolConfig = client.config
    const withDeadline = deadline(options.answerWithinMs ?? answerWithinMsDefault)
    const connections = Math.max(2, options.maxConnections ?? config.maxConnections ?? 10)
    const readers = Math.max(1, Math.min(4, connections >> 2))
    // The driver's own types: a client may have been given others.
    const own = {
      ...config,
      types: undefined,
      multiplex: true,
      keepAlive: config.keepAlive ?? "10 seconds"
    }
    const reads = yield* PgPool.make({ ...own, minConnections: 0, maxConnections: readers })
    const batches = yield* PgPool.make({
      ...own,
      // A batch has its connection to itself, and only so may it send statements ahead.
      multiplexConcurrency: 1,
      maxConnections: connections - readers
    })
    return BoxOfficeStore.of({
      transact: makeTransact(batches, schema, withDeadline, options.inTransaction),
      ...makeOperations(schema)(runnerOf(reads, withDeadline)),
      ping: makeProbe(batches, schema, withDeadline)
    })
  })

/** Dies on a number that would let everything fail, as if the database were away. */
const checkWhole = (name: string, value: number | undefined): void => {
  if (value === undefined || (Number.isInteger(value) && value >= 1 && value < 2 ** 31)) return
  throw new RangeError(`${name} cannot be ${value}: expected a whole number from 1 on`)
}

/** A connection that does not answer is not used again: another one may. */
const reading = <A>(
  pool: PgPool.PgPool,
  withDeadline: WithDeadline,
  read: (connection: PgConnection.PgConnection) => Effect.Effect<A, SqlError>
): Effect.Effect<A, SqlError> =>
  pool.use((connection) =>
    Effect.tapError(withDeadline(read(connection)), (error) =>
      isPoisoned(error) ? Effect.forkDetach(pool.invalidate(connection)) : Effect.void
    )
  )

const runnerOf = (pool: PgPool.PgPool, withDeadline: WithDeadline): Runner => ({
  run: (query) => reading(pool, withDeadline, (connection) => runQuery(connection, query)),
  fly: (flight) => reading(pool, withDeadline, (connection) => flight.run(connection)),
  fault: unavailable
})
