/** Migrates the schema for a backend that does not use Effect. */
import { Effect, Result } from "effect"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import { invalidDatabase, invalidUrl } from "./connection/databaseSetting.ts"
import {
  locationOfUrl,
  openingFailed,
  openingRefused,
  type StoreLocation
} from "./connection/opening.ts"
import { type HostPool, type PgPool, poolOf } from "./Host.ts"
import { type HostClient, locationOf, runOn } from "./host/client.ts"
import { sqlErrorOf } from "./host/driverFailure.ts"
import * as Migrator from "./Migrator.ts"

/** Options of {@link migrate}. */
export interface MigrateDatabaseOptions extends Omit<Migrator.MigrateOptions, "onStep"> {
  /** Called before each step, with the name of its file if it is one. */
  readonly onStep?: ((title: string) => void) | undefined
}

/**
 * Brings the schema up to date, on a `Pool` of `pg`, a pool that `Host` makes of another driver's, or
 * a connection of its own to a URL: all of it in one transaction, or nothing. Gives the names of what
 * was applied, which are none the second time. Any number of nodes may do so at once. Connect as the
 * role that is to own the tables.
 *
 * Rejects with `SchemaMismatch` (a newer package migrated it), `MigrationBlocked` (a table is in use),
 * `DatabaseInvalid` (the database cannot be that) or `StoreUnavailable`.
 *
 * @example
 * ```ts
 * import { migrate } from "@boxoffice/sql-store"
 * import pg from "pg"
 *
 * const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL })
 * for (const name of await migrate(pool, { appRole: "tickets_app" })) console.log(`applied ${name}`)
 * ```
 */
export const migrate = async (
  database: PgPool | HostPool | string,
  { onStep, ...options }: MigrateDatabaseOptions = {}
): Promise<ReadonlyArray<string>> => {
  const settings = { ...options, onStep: onStep && asEffect(onStep) }
  return typeof database === "string" ? byUrl(database, settings) : onPool(database, settings)
}

const asEffect = (onStep: (title: string) => void) => (title: string) =>
  Effect.sync(() => onStep(title))

const byUrl = (url: string, options: Migrator.MigrateOptions) => {
  const invalid = /^postgres(ql)?:/.test(url) ? invalidUrl("database", url) : invalidDatabase(url)
  if (invalid !== undefined) throw invalid
  return Migrator.migrate(options).pipe(
    Effect.provide(Migrator.layerUrl(url)),
    Effect.catchTag("SqlError", (error) => Effect.fail(faultOf(locationOfUrl(url), error))),
    Effect.runPromise
  )
}

const onPool = async (given: PgPool | HostPool, options: Migrator.MigrateOptions) => {
  const pool = poolOf(given)
  let refused: unknown
  const work = async (client: HostClient): Promise<ReadonlyArray<string>> => {
    const applied = await Effect.runPromise(Effect.result(within(client, options)))
    if (Result.isSuccess(applied)) return applied.success
    refused = applied.failure
    throw refused
  }
  try {
    return await pool.transaction(work)
  } catch (error) {
    // The pool may wrap the error.
    const failure = refused ?? sqlErrorOf(error)
    throw isSqlError(failure) ? faultOf(locationOf(pool), failure) : failure
  }
}

const faultOf = (location: StoreLocation, error: SqlError) =>
  openingRefused("database", location, error) ?? openingFailed(location, error)

const within = (client: HostClient, options: Migrator.MigrateOptions) => {
  const run = runOn(client)
  const session: Migrator.Session = {
    read: (sql) => run({ sql, params: [], read: (rows) => rows }),
    run: (text) => Effect.tryPromise({ try: async () => client.query(text, []), catch: sqlErrorOf })
  }
  return Effect.andThen(
    // The pool may begin its transactions at another level, but each read must see what was
    // committed before the lock was acquired.
    session.run("SET TRANSACTION ISOLATION LEVEL READ COMMITTED"),
    Migrator.applyIn(session, options)
  )
}
