/** The types of a host's client and pool, by structure alone: no driver is a dependency. */
import { Effect, Option, Semaphore } from "effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { StoreLocation } from "../connection/opening.ts"
import type { Pipeline } from "../Pipeline.ts"
import type { Query, Row } from "../Query.ts"
import { sqlErrorOf } from "./driverFailure.ts"
import { answerOf, type Statement, statementOf } from "./statement.ts"

/**
 * Runs one statement with `$1`, `$2`, …, and resolves to its rows, or to `{ rows }`. A client of
 * `pg` and an `EntityManager` of TypeORM are a HostClient as they are.
 *
 * Every parameter is a string or null, and every row has at most one column, of type `text`, so the
 * driver has nothing to convert.
 */
export interface HostClient {
  query(text: string, params: Array<string | null>): PromiseLike<unknown>
  /**
   * Runs the work under a savepoint, and rolls back to it if the work's promise rejects. Only
   * needed for a driver that gives up the transaction once a statement of it has failed, even if
   * the caller caught the error; for others the engine sends `SAVEPOINT` itself.
   */
  savepoint?<A>(work: (client: HostClient) => Promise<A>): Promise<A>
}

/** A {@link HostClient} that can also begin a transaction: it stands for a pool. */
export interface HostPool extends HostClient {
  /**
   * Runs the work in a transaction on one connection: commits if the work's promise resolves; rolls
   * back if it rejects, and rejects with the same error.
   */
  transaction<A>(work: (client: HostClient) => Promise<A>): Promise<A>
}

/**
 * A pool that drops the connection of a statement or transaction once its signal is aborted, since
 * the engine has given it up. With other pools the engine answers its callers all the same, but the
 * connection stays lent for as long as the driver waits.
 */
export interface AbortablePool extends HostPool {
  readonly takesSignals: true
  /** The address it connects to, for error messages. */
  readonly location: StoreLocation
  query(text: string, params: Array<string | null>, signal?: AbortSignal): PromiseLike<unknown>
  transaction<A>(work: (client: HostClient) => Promise<A>, signal?: AbortSignal): Promise<A>
}

export const abortable = (pool: HostPool): AbortablePool | undefined =>
  "takesSignals" in pool ? (pool as AbortablePool) : undefined

/** The address that a pool connects to, if the pool tells it. */
export const locationOf = (pool: HostPool): StoreLocation =>
  abortable(pool)?.location ?? { value: "a pool" }

export const isSqlClient = (client: object): client is SqlClient =>
  "~effect/sql/SqlClient" in client

/** Runs a query on a host's client. */
export type Run = <A>(query: Query<A>) => Effect.Effect<A, SqlError>

export const runOn = (client: HostClient | SqlClient): Run => {
  const answer = isSqlClient(client) ? answerOfSqlClient(client) : answerOfClient(client)
  return <A>(query: Query<A>) =>
    Effect.flatMap(answer(statementOf(query)), (rows) => Effect.sync(() => query.read(rows)))
}

/** Runs one statement after the other: a host's driver handles one at a time. */
export const runEach = (run: Run, pipeline: Pipeline): Effect.Effect<void, SqlError> =>
  pipeline.runEach((query) => run({ ...query, read: (rows) => rows }))

type Answer = (statement: Statement) => Effect.Effect<ReadonlyArray<Row>, SqlError>

const answerOfClient =
  (client: HostClient): Answer =>
  ({ text, params, answers }) =>
    Effect.tryPromise({
      try: async () => {
        const answer = await client.query(text, [...params])
        return answers ? answerOf(answer) : []
      },
      catch: sqlErrorOf
    })

// The statements find the transaction of a `SqlClient` in the context of the fiber.
const answerOfSqlClient =
  (client: SqlClient): Answer =>
  ({ text, params, answers }) =>
    Effect.flatMap(client.unsafe(text, params).values, (rows) =>
      answers ? Effect.try({ try: () => answerOf(rows), catch: sqlErrorOf }) : Effect.succeed([])
    )

/**
 * The object that stands for the transaction: the client or, for a `SqlClient`, the connection it
 * runs on.
 */
const keyOf = (client: HostClient | SqlClient): Effect.Effect<object> =>
  isSqlClient(client)
    ? Effect.map(Effect.serviceOption(client.transactionService), (transaction) =>
        Option.isSome(transaction) ? transaction.value[0] : {}
      )
    : Effect.succeed(client)

const turns = new WeakMap<object, Semaphore.Semaphore>()

/**
 * Runs commands of one transaction one after the other, whichever caller issues them. Savepoints
 * nest: rolling one back would undo another that was begun inside it.
 */
export const inTurn =
  (client: HostClient | SqlClient) =>
  <A, E>(work: Effect.Effect<A, E>): Effect.Effect<A, E> =>
    Effect.flatMap(keyOf(client), (key) => {
      const turn = turns.get(key) ?? Semaphore.makeUnsafe(1)
      turns.set(key, turn)
      return turn.withPermits(1)(work)
    })
