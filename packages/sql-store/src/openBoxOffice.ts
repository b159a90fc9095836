/** Opens the engine on a database, for a backend that does not use Effect. */
import {
  type BoxOfficeOptions,
  makeBoxOffice,
  type OperationsWithin,
  type PromisedBoxOffice,
  type Store
} from "@boxoffice/core"
import type { SqlError } from "effect/sql/SqlError"
import type { InTransaction } from "./batch/save/inTransaction.ts"
import { invalidDatabase, isPgliteMissing, missingPglite } from "./connection/databaseSetting.ts"
import { locationOfUrl, openingRefused } from "./connection/opening.ts"
import { type Waits, waitsOf } from "./connection/waits.ts"
import { type HostClient, type HostPool, type PgPool, poolOf, transactionOf } from "./Host.ts"
import { checkOpenOptions, checkStoreOptions } from "./options.ts"
import { layerAt, layerPool, type SqlStoreOptions } from "./SqlStore.ts"

/** Options of {@link openBoxOffice}. */
export type OpenOptions = BoxOfficeOptions & (OnItsOwnConnections | OnTheHostsPool)

interface OnItsOwnConnections extends SqlStoreOptions {
  /**
   * The URL of a Postgres, such as `postgres://user:password@host:5432/name`. Or `pglite` for
   * Postgres in process and in memory, `pglite:./data` to keep its data there: this needs
   * `@electric-sql/pglite` to be installed, and migrates the schema unless `migrate` is `false`.
   */
  readonly database: string
}

interface OnTheHostsPool {
  /**
   * The host's pool: one of `pg` as it is, one of another driver through `Host`. Every statement is
   * a round trip of its own there, so the engine is faster on its own connections.
   */
  readonly database: PgPool | HostPool
  /** The schema that holds the tables: 1 to 63 of `a-z 0-9 _`. Default `boxoffice`. */
  readonly schema?: string | undefined
  /** On a host's pool the schema is only verified: call `migrate(pool)` before. */
  readonly migrate?: never
  /** Writes the host's own rows together with the events of each batch. */
  readonly inTransaction?: InTransaction | undefined
  /** Time limits that differ from the defaults. The pool limits the wait for a new connection. */
  readonly waits?: Partial<Waits> | undefined
  /** The driver decides how it sends a statement. */
  readonly preparedStatements?: never
  /** The pool decides how many connections there are. */
  readonly maxConnections?: never
}

/** The services inside a transaction of the host's. */
export interface ServicesWithin extends OperationsWithin {
  /** Call it after the commit: see {@link OpenTransaction.committed}. */
  readonly committed: () => Promise<void>
}

export interface OpenBoxOffice extends Omit<PromisedBoxOffice, "within"> {
  /**
   * The services inside the transaction that this client is in: their changes commit and roll back
   * with the host's own rows. They also reject with `HostTransactionRefused` and
   * `HostTransactionConflict`. It costs nothing to call this for each transaction.
   */
  readonly within: (client: HostClient) => ServicesWithin
}

/**
 * Opens the engine. Rejects with a `TypeError` where an option is not known or cannot be meant, with
 * `SchemaMismatch` where the schema is not at the version that this
 * package knows, with `EncodingUnsupported` where the database is not in UTF8, with `DatabaseInvalid`
 * where `database` cannot be right, and with `StoreUnavailable` where it cannot be reached.
 *
 * @example
 * ```ts
 * import { openBoxOffice } from "@boxoffice/sql-store"
 *
 * const office = await openBoxOffice({
 *   database: "pglite",
 *   signingKeys: { k1: "a secret of at least thirty-two bytes" }
 * })
 * await office.queue.create({ queueId: "main" })
 * await office.close()
 * ```
 */
export const openBoxOffice = async (options: OpenOptions): Promise<OpenBoxOffice> => {
  checkOpenOptions(options)
  const { signingKeys, policies, batches, sweepEvery, ...ofStore } = options
  const store = await storeOf(ofStore)
  const office = await makeBoxOffice(store, { signingKeys, policies, batches, sweepEvery })
  return {
    ...office,
    within: (client) => {
      const { transaction, committed } = transactionOf(client, options)
      return { ...office.within(transaction), committed }
    }
  }
}

const storeOf = async (options: OnItsOwnConnections | OnTheHostsPool): Promise<Store> => {
  const { database, ...settings } = options
  checkStoreOptions(settings)
  waitsOf(settings.waits)
  if (typeof database !== "string") {
    const pool = poolOf(database)
    for (const name of ["migrate", "maxConnections", "preparedStatements"] as const) {
      if (settings[name] !== undefined) throw new TypeError(`a pool cannot be given with "${name}"`)
    }
    return layerPool(pool, settings)
  }
  if (/^postgres(ql)?:/.test(database)) {
    const refused = (error: SqlError) => openingRefused("database", locationOfUrl(database), error)
    return layerAt(database, settings, { setting: "database", refused })
  }
  if (!/^pglite(:|$)/.test(database)) throw invalidDatabase(database)
  // Imported only on demand, since it is an optional peer dependency.
  const { layerPgliteStore } = await import("./pglite.ts").catch((error) => {
    throw isPgliteMissing(error) ? missingPglite(database) : error
  })
  const dataDir = database.slice("pglite:".length) || undefined
  return layerPgliteStore({ dataDir, ...settings })
}
