/** What a host hands over, by structure alone: no driver is a dependency. */
import { Effect, Option, Semaphore } from "effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { Place } from "../connection/opening.ts"
import type { Pipeline } from "../Pipeline.ts"
import type { Query, Row } from "../Query.ts"
import { sqlErrorOf } from "./driverFailure.ts"
import { answerOf, type Statement, statementOf } from "./statement.ts"

/**
 * Runs a statement of one text with `$1`, `$2`, …, and answers with its rows, or with `{ rows }`.
 * A client of `pg` and an `EntityManager` of TypeORM are one as they are.
 *
 * Every parameter is a string or null, and every row has at most one column, of type `text`: there
 * is nothing for a driver to convert.
 */
export interface HostClient {
  query(text: string, params: Array<string | null>): PromiseLike<unknown>
  /**
   * Runs the work under a savepoint, which it rolls back to when the work's promise rejects.
   * Needed only where a driver gives a transaction up once a statement of it has failed, whoever
   * caught that; elsewhere the engine sends `SAVEPOINT` itself.
   */
  savepoint?<A>(work: (client: HostClient) => Promise<A>): Promise<A>
}

/** A {@link HostClient} that can also begin a transaction: what stands for a pool. */
export interface HostPool extends HostClient {
  /**
   * Runs the work in a transaction on one connection: commits when its promise resolves, rolls
   * back when it rejects, and rejects as it did.
   */
  transaction<A>(work: (client: HostClient) => Promise<A>): Promise<A>
}

/**
 * A pool that drops the connection of a statement or a transaction when its signal is aborted, since the
 * engine has given it up. Of other pools the engine answers its callers all the same, and the connection
 * stays lent for as long as the driver waits.
 */
export interface AbortablePool extends HostPool {
  readonly takesSignals: true
  /** Where it leads, for whoever hears that it cannot be used. */
  readonly place: Place
  query(text: string, params: Array<string | null>, signal?: AbortSignal): PromiseLike<unknown>
  transaction<A>(work: (client: HostClient) => Promise<A>, signal?: AbortSignal): Promise<A>
}

export const abortable = (pool: HostPool): AbortablePool | undefined =>
  "takesSignals" in pool ? (pool as AbortablePool) : undefined

/** Where a pool leads, as far as it tells. */
export const placeOf = (pool: HostPool): Place => abortable(pool)?.place ?? { value: "a pool" }

export const isSqlClient = (client: object): client is SqlClient =>
  "~effect/sql/SqlClient" in client

/** Runs a query on what the host gave. */
export type Run = <A>(query: Query<A>) => Effect.Effect<A, SqlError>

export const runOn = (client: HostClient | SqlClient): Run => {
  const answer = isSqlClient(client) ? answerOfSqlClient(client) : answerOfClient(client)
  return <A>(query: Query<A>) =>
    Effect.flatMap(answer(statementOf(query)), (rows) => Effect.sync(() => query.read(rows)))
}

/** One statement after the other: a host's driver has one answer at a time. */
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

// Its transaction is where its statements look for it: in the context of the fiber.
const answerOfSqlClient =
  (client: SqlClient): Answer =>
  ({ text, params, answers }) =>
    Effect.flatMap(client.unsafe(text, params).values, (rows) =>
      answers ? Effect.try({ try: () => answerOf(rows), catch: sqlErrorOf }) : Effect.succeed([])
    )

/** What stands for the transaction: the client or, of a `SqlClient`, the connection it runs on. */
const keyOf = (client: HostClient | SqlClient): Effect.Effect<object> =>
  isSqlClient(client)
    ? Effect.map(Effect.serviceOption(client.transactionService), (transaction) =>
        Option.isSome(transaction) ? transaction.value[0] : {}
      )
    : Effect.succeed(client)

const turns = new WeakMap<object, Semaphore.Semaphore>()

/**
 * Savepoints nest, so that commands in one transaction take turns, whoever issues them: rolling one
 * back would undo another that was begun inside it.
 */
export const inTurn =
  (client: HostClient | SqlClient) =>
  <A, E>(work: Effect.Effect<A, E>): Effect.Effect<A, E> =>
    Effect.flatMap(keyOf(client), (key) => {
      const turn = turns.get(key) ?? Semaphore.makeUnsafe(1)
      turns.set(key, turn)
      return turn.withPermits(1)(work)
    })
