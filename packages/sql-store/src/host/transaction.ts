/** The store inside a host's transaction: each operation runs under a savepoint of its own. */
import type { HostTransaction } from "@boxoffice/core"
import type { LoadPlan, Rows } from "@boxoffice/core/store"
import { type Cause, Effect, Exit } from "effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { makeOperations, type StatementRunner } from "../operations/operations.ts"
import type { Query } from "../Query.ts"
import type { SchemaName } from "../schemaName.ts"
import { makeBatch } from "./batch.ts"
import { type HostClient, inTurn, isSqlClient, type Run, runEach, runOn } from "./client.ts"
import { sqlErrorOf, transactionFault } from "./driverFailure.ts"

/** Receives what to announce once the host's transaction has committed. */
type AfterCommit = HostTransaction["afterCommit"]

/** Builds the statements once for a schema. Each call can bring its own transaction. */
export const makeHostTransactions = (schema: SchemaName) => {
  const operations = makeOperations(schema)
  const batch = makeBatch(schema)

  return (client: HostClient | SqlClient, afterCommit: AfterCommit): HostTransaction => {
    const under = underSavepoint(client)
    const runner: StatementRunner = {
      run: (query) => under((run) => run(query)),
      runPipeline: (pipeline) => under((run) => runEach(run, pipeline)),
      fault: transactionFault
    }
    const transact = <A>(plan: LoadPlan, decide: (rows: Rows) => A) => {
      const work = (run: Run) => Effect.map(batch(run, plan, decide), ({ outcome }) => outcome)
      return Effect.mapError(under(work), transactionFault)
    }
    return {
      // A command in a host's transaction runs alone, and waits for its rows there.
      store: { transact, lockedRows: () => Effect.succeed(new Map()), ...operations(runner) },
      afterCommit: isSqlClient(client) ? client.afterCommit : afterCommit
    }
  }
}

let savepoints = 0

/**
 * The host's transaction stays usable whether the work succeeds or fails: the savepoint is released
 * or rolled back to, and never left open. The work is uninterruptible, since a statement that a
 * driver has received runs to its end.
 */
const underSavepoint =
  (client: HostClient | SqlClient) =>
  <A>(work: (run: Run) => Effect.Effect<A, SqlError>): Effect.Effect<A, SqlError> => {
    const own = !isSqlClient(client) && client.savepoint !== undefined
    const under = own ? underItsSavepoint(client, work) : underOurSavepoint(runOn(client), work)
    return inTurn(client)(Effect.uninterruptible(under))
  }

const underOurSavepoint = <A>(run: Run, work: (run: Run) => Effect.Effect<A, SqlError>) =>
  Effect.suspend(() => {
    const name = `boxoffice_${++savepoints}`
    const end = run(control(`RELEASE SAVEPOINT ${name}`))
    const undo = Effect.andThen(run(control(`ROLLBACK TO SAVEPOINT ${name}`)), end)
    return Effect.andThen(
      run(control(`SAVEPOINT ${name}`)),
      Effect.onExit(
        Effect.flatMap(work(run), (value) => Effect.as(end, value)),
        // A lost connection took the savepoint with it.
        (exit) => (Exit.isSuccess(exit) ? Effect.void : Effect.ignore(undo))
      )
    )
  })

const underItsSavepoint = <A>(
  client: HostClient,
  work: (run: Run) => Effect.Effect<A, SqlError>
): Effect.Effect<A, SqlError> =>
  Effect.contextWith((context) => {
    let failed: Cause.Cause<SqlError> | undefined
    const working = (nested: HostClient) =>
      work(runOn(nested)).pipe(
        Effect.tapCause((cause) => Effect.sync(() => (failed = cause))),
        Effect.runPromiseWith(context)
      )
    return Effect.tryPromise({
      try: () => client.savepoint!(working),
      catch: sqlErrorOf
    }).pipe(Effect.catch((error) => (failed ? Effect.failCause(failed) : Effect.fail(error))))
  })

const control = (sql: string): Query<void> => ({ sql, params: [], read: () => {} })
