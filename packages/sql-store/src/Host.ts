/**
 * Adapters for the host's own database driver: they turn its transaction or pool into one that the
 * engine can work in. Nothing here imports a driver: the types below state what the engine needs of
 * each.
 *
 * A client of `pg` and an `EntityManager` of TypeORM work as they are. For other drivers, a
 * function here adapts both the transaction and the pool: inside a transaction it stands for that
 * transaction, elsewhere for the pool.
 */
import {
  type HostTransaction,
  type HostTransactionError,
  within as withinOf
} from "@boxoffice/core"
import { Effect } from "effect"
import type { SqlClient } from "effect/sql/SqlClient"
import { invalidDatabase } from "./connection/databaseSetting.ts"
import { locationOfPool } from "./connection/opening.ts"
import { type AbortablePool, type HostClient, type HostPool, isSqlClient } from "./host/client.ts"
import { sqlErrorOf } from "./host/driverFailure.ts"
import { makeHostTransactions } from "./host/transaction.ts"
import { schemaName } from "./schemaName.ts"
import { sqlState } from "./sqlFailure.ts"

export type { HostClient, HostPool } from "./host/client.ts"

export interface HostOptions {
  /** The schema that holds the tables. Default `boxoffice`. */
  readonly schema?: string | undefined
}

const bySchema = new Map<string, ReturnType<typeof makeHostTransactions>>()

const transactionsOf = (schema = "boxoffice") => {
  const found = bySchema.get(schema) ?? makeHostTransactions(schemaName(schema))
  bySchema.set(schema, found)
  return found
}

/** A host's open transaction, and a function that reports its commit. */
export interface OpenTransaction {
  readonly transaction: HostTransaction
  /**
   * Tells the engine that the transaction was committed, so that this node at once reads again what
   * it caches of seats and dates. Without this call the cache stays stale for as long as the
   * policies `catalogMaxAgeMs` and `gateMaxAgeMs` allow.
   */
  readonly committed: () => Promise<void>
}

/** The transaction that a client is in, for `within` of core and of the Promise API. */
export const transactionOf = (client: HostClient, options: HostOptions = {}): OpenTransaction => {
  const pending: Array<Effect.Effect<void>> = []
  const afterCommit = (effect: Effect.Effect<void>) => Effect.sync(() => void pending.push(effect))
  checkClient(client)
  return {
    transaction: transactionsOf(options.schema)(client, afterCommit),
    committed: () => Effect.runPromise(Effect.all(pending.splice(0), { discard: true }))
  }
}

/**
 * Runs an effect inside the transaction that the client is in. Of a `SqlClient` it is the one of
 * `withTransaction` around it, and what changed is announced after its commit.
 *
 * @example
 * ```ts
 * import { Reservations } from "@boxoffice/core"
 * import { Host } from "@boxoffice/sql-store"
 * import { Effect } from "effect"
 * import { SqlClient } from "effect/sql"
 *
 * export const order = Effect.gen(function* () {
 *   const sql = yield* SqlClient.SqlClient
 *   const { hold } = yield* Reservations
 *   const input = { userId: "ada", performanceId: "gala-1", seatIds: ["A1"] }
 *   return yield* sql.withTransaction(
 *     Effect.gen(function* () {
 *       yield* sql`INSERT INTO orders (user_id) VALUES ('ada')`
 *       return yield* Host.within(sql)(hold(input))
 *     })
 *   )
 * })
 * ```
 */
export const within = (client: HostClient | SqlClient, options: HostOptions = {}) => {
  checkClient(client)
  return <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | HostTransactionError, R> =>
    // No function reports the commit here: see `transactionOf`.
    withinOf(transactionsOf(options.schema)(client, () => Effect.void))(effect)
}

/** Throws a `TypeError` if a host gave something as its transaction that has no `query`. */
const checkClient = (given: unknown): void => {
  const isObject = (typeof given === "object" && given !== null) || typeof given === "function"
  if (isObject && (isSqlClient(given) || typeof (given as HostClient).query === "function")) return
  throw new TypeError(
    "within: expected the client that your BEGIN ran on, as pg and TypeORM have it, or what Host makes " +
      `of another driver's transaction, such as Host.drizzle(tx, sql), not ${given === null ? "null" : typeof given}.`
  )
}

// One adapter for each of the host's objects, since commands in one transaction take turns by it.
const adapted = new WeakMap<object, HostPool>()
const adapt = (source: object, make: () => HostPool): HostPool => {
  const found = adapted.get(source) ?? make()
  adapted.set(source, found)
  return found
}

/** A `Pool` of `pg`. */
export interface PgPool extends HostClient {
  connect(): Promise<PgPoolClient>
}
interface PgPoolClient extends HostClient {
  release(broken?: boolean): void
  on?(event: "error", listener: (error: unknown) => void): unknown
  off?(event: "error", listener: (error: unknown) => void): unknown
}

/**
 * Adapts a `Pool` of `pg`. A `Client`, or the client that `connect` gives, is a {@link HostClient}
 * as it is.
 */
export const pg = (pool: PgPool): HostPool =>
  adapt(
    pool,
    (): AbortablePool => ({
      takesSignals: true,
      location: locationOfPool(pool),
      query: (text, params, signal) => lend(pool, signal, (client) => client.query(text, params)),
      transaction: (work, signal) => lend(pool, signal, (client) => transacted(client, work))
    })
  )

const transacted = async <A>(
  client: PgPoolClient,
  work: (client: HostClient) => Promise<A>
): Promise<A> => {
  await client.query("BEGIN", [])
  const result = await work(client)
  await client.query("COMMIT", [])
  return result
}

/**
 * Lends a client of the pool, and gives it back. It gives it back as broken, so that the pool
 * closes it, if its connection is gone, if the signal was aborted meanwhile, or if its server only
 * reads: a connection that was opened during a failover stays read-only.
 */
const lend = async <A>(
  pool: PgPool,
  signal: AbortSignal | undefined,
  work: (client: PgPoolClient) => PromiseLike<A>
): Promise<A> => {
  const client = await pool.connect()
  let broken = false
  let given = false
  const giveBack = () => {
    if (given) return
    given = true
    if (!broken) client.off?.("error", onError)
    client.release(broken)
  }
  // The pool listens for errors only while it has the client: without this listener, a connection
  // that dies between two statements ends the process. The next statement fails then.
  const onError = () => {
    broken = true
  }
  const onAbort = () => {
    broken = true
    giveBack()
  }
  client.on?.("error", onError)
  signal?.addEventListener("abort", onAbort)
  try {
    signal?.throwIfAborted()
    return await work(client)
  } catch (error) {
    if (!given && !broken) {
      try {
        await client.query("ROLLBACK", [])
      } catch {
        broken = true
      }
    }
    broken ||= sqlState(sqlErrorOf(error)) === "25006"
    throw error
  } finally {
    signal?.removeEventListener("abort", onAbort)
    giveBack()
  }
}

/**
 * @internal The pool that a host gave. Throws if it is not a pool, such as a driver's object that
 * no function of `Host` has adapted.
 */
export const poolOf = (given: unknown): HostPool => {
  const { query, transaction, connect } = (given ?? {}) as Record<string, unknown>
  if (typeof query !== "function" || typeof (transaction ?? connect) !== "function") {
    throw invalidDatabase(given)
  }
  return transaction === undefined ? pg(given as PgPool) : (given as HostPool)
}

/** `sql` of postgres.js, or the one that `sql.begin` gives. */
export interface PostgresJs {
  unsafe(text: string, params: Array<string | null>): PromiseLike<unknown>
  begin?(work: (tx: PostgresJs) => Promise<unknown>): Promise<unknown>
  savepoint?(work: (tx: PostgresJs) => Promise<unknown>): Promise<unknown>
}

/** Adapts postgres.js. */
export const postgresJs = (sql: PostgresJs): HostPool =>
  adapt(sql, () => ({
    query: (text, params) => sql.unsafe(text, params),
    transaction: <A>(work: (client: HostClient) => Promise<A>) =>
      sql.begin!((tx) => work(postgresJs(tx))) as Promise<A>,
    ...(sql.savepoint && {
      savepoint: <A>(work: (client: HostClient) => Promise<A>) =>
        sql.savepoint!((tx) => work(postgresJs(tx))) as Promise<A>
    })
  }))

/** A database of Drizzle, or the `tx` of its `transaction`. */
export interface Drizzle<Sql> {
  execute(query: Sql): PromiseLike<unknown>
  transaction<A>(work: (tx: Drizzle<Sql>) => Promise<A>): Promise<A>
  /** Only inside a transaction. */
  rollback?(): void
}

/** Adapts Drizzle on any driver of Postgres, with its own `sql` tag: `Host.drizzle(tx, sql)`. */
export const drizzle = <Sql>(
  db: Drizzle<Sql>,
  sql: (strings: TemplateStringsArray, ...params: Array<string | null>) => Sql
): HostPool =>
  adapt(db, () => ({
    query: (text, params) => {
      // Builds the query as if it had been written as a template: a parameter stands wherever its
      // number does.
      const [...strings] = text.split(/\$\d+/)
      const numbers = text.match(/\$\d+/g) ?? []
      const values = numbers.map((number) => params[Number(number.slice(1)) - 1]!)
      return db.execute(sql(Object.assign(strings, { raw: strings }), ...values))
    },
    transaction: (work) => db.transaction((tx) => work(drizzle(tx, sql))),
    // Inside a transaction, a nested one is a savepoint.
    ...("rollback" in db && {
      savepoint: <A>(work: (client: HostClient) => Promise<A>) =>
        db.transaction((tx) => work(drizzle(tx, sql)))
    })
  }))

/** A database of Kysely, or the `trx` of its `transaction`. */
export interface Kysely<Query> {
  executeQuery(query: Query): PromiseLike<unknown>
  transaction(): { execute<A>(work: (trx: Kysely<Query>) => Promise<A>): Promise<A> }
}

/** Adapts Kysely, with its own `CompiledQuery`: `Host.kysely(trx, CompiledQuery)`. */
export const kysely = <Query>(
  db: Kysely<Query>,
  compiled: { raw(sql: string, params: Array<unknown>): Query }
): HostPool =>
  adapt(db, () => ({
    query: (text, params) => db.executeQuery(compiled.raw(text, params)),
    transaction: (work) => db.transaction().execute((trx) => work(kysely(trx, compiled)))
  }))

/** A client of Prisma, or the `tx` of its `$transaction`. */
export interface Prisma {
  $queryRawUnsafe(text: string, ...params: Array<string | null>): PromiseLike<unknown>
  $transaction?<A>(work: (tx: Prisma) => Promise<A>): Promise<A>
}

/** Adapts Prisma on Postgres. */
export const prisma = (client: Prisma): HostPool =>
  adapt(client, () => ({
    query: (text, params) => client.$queryRawUnsafe(text, ...params),
    transaction: (work) => client.$transaction!((tx) => work(prisma(tx)))
  }))

/** A `DataSource` of TypeORM, or an `EntityManager`. */
export interface TypeOrm extends HostClient {
  transaction<A>(work: (manager: TypeOrm) => Promise<A>): Promise<A>
}

/** Adapts TypeORM on Postgres. */
export const typeOrm = (source: TypeOrm): HostPool =>
  adapt(source, () => ({
    query: (text, params) => source.query(text, params),
    transaction: (work) => source.transaction((manager) => work(typeOrm(manager)))
  }))
