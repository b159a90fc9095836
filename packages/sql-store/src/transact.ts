/** One batch in one transaction: load and lock, decide, save and commit; again where need be. */

import { randomUUID } from "node:crypto"
import type { RowNames, Rows, StoreUnavailable } from "@boxoffice/core"
import type { PgConnection, PgPool } from "@effect/sql-pg"
import { Effect, Exit, Metric, Random } from "effect"
import type { SqlError } from "effect/sql/SqlError"
import { type Attempt, commit, type Fate, findFate, rollback } from "./commit.ts"
import { isConnectionLost, isContention, unavailable } from "./failure.ts"
import { begin, planByKey } from "./load/begin.ts"
import { makeLoad } from "./load/load.ts"
import { Flight, runQuery } from "./Query.ts"
import type { InTransaction } from "./save/inTransaction.ts"
import { makeSave } from "./save/save.ts"
import type { SchemaName } from "./schemaName.ts"

/** How often a batch is run before contention is the caller's to wait out. */
const attemptsMax = 12

/** How often batches ran again: another node was first, or the server asked for it. */
export const batchRetries = Metric.counter("boxoffice_store_batch_retries", {
  description: "Batches that ran again on fresh rows",
  incremental: true
})

/** How an attempt failed. Where it names itself, its COMMIT was on its way. */
export class AttemptFailed {
  readonly error: SqlError
  readonly outcome: unknown
  readonly attempt: Attempt | undefined
  constructor(error: SqlError, outcome?: unknown, attempt?: Attempt) {
    this.error = error
    this.outcome = outcome
    this.attempt = attempt
  }
}

export const makeTransact = (
  pool: PgPool.PgPool,
  schema: SchemaName,
  inTransaction?: InTransaction
) => {
  const load = makeLoad(schema)
  const save = makeSave(schema, inTransaction)

  const runOn = <A>(
    connection: PgConnection.PgConnection,
    names: RowNames,
    decide: (rows: Rows) => A
  ): Effect.Effect<A, AttemptFailed> => {
    const loading = new Flight()
    loading.add(begin)
    loading.add(planByKey)
    const loaded = load(loading, names)
    return Effect.flatMap(
      Effect.mapError(loading.run(connection), (error) => new AttemptFailed(error)),
      () => {
        const read = loaded()
        const outcome = decide(read.rows)
        const attemptId = randomUUID()
        const saving = new Flight()
        save(saving, read, attemptId)
        saving.add(saving.isEmpty ? rollback : commit)
        return Effect.mapBoth(saving.run(connection), {
          onFailure: (error) => new AttemptFailed(error, outcome, { attemptId, xid: read.xid }),
          onSuccess: () => outcome
        })
      }
    )
  }

  // Holds one connection, and asks for no other while it does: whatever the pool's size and the
  // number of callers, whoever has one can finish.
  const attempt = <A>(names: RowNames, decide: (rows: Rows) => A) =>
    Effect.scoped(
      Effect.flatMap(
        Effect.mapError(pool.get, (error) => new AttemptFailed(error)),
        (connection) =>
          Effect.onExit(runOn(connection, names, decide), (exit) =>
            Exit.isSuccess(exit) ? Effect.void : cleanUp(pool, connection, exit)
          )
      )
    )

  return retrying({
    attempt,
    fate: (lost) =>
      findFate(schema, lost, (query) => pool.use((connection) => runQuery(connection, query)))
  })
}

/** Runs an attempt again where that should help, or finds out that it was committed after all. */
export const retrying = (options: {
  readonly attempt: <A>(
    names: RowNames,
    decide: (rows: Rows) => A
  ) => Effect.Effect<A, AttemptFailed>
  readonly fate: (lost: Attempt) => Effect.Effect<Fate>
}) => {
  const run = <A>(
    names: RowNames,
    decide: (rows: Rows) => A,
    attempts: number
  ): Effect.Effect<A, StoreUnavailable> =>
    Effect.catch(options.attempt(names, decide), ({ error, outcome, attempt }) => {
      const again = () =>
        attempts >= attemptsMax
          ? Effect.fail(unavailable(error))
          : Effect.andThen(backOff(attempts), run(names, decide, attempts + 1))
      if (isContention(error)) return again()
      if (attempt === undefined || !isConnectionLost(error)) return Effect.fail(unavailable(error))
      return Effect.flatMap(options.fate(attempt), (fate) => {
        if (fate === "committed") return Effect.succeed(outcome as A)
        return fate === "absent" ? again() : Effect.fail(unavailable(error))
      })
    })

  return <A>(names: RowNames, decide: (rows: Rows) => A): Effect.Effect<A, StoreUnavailable> =>
    Effect.withSpan(run(names, decide, 1), "SqlStore.transact")
}

/** Leaves no transaction open: the connection goes back to the pool for somebody else. */
const cleanUp = (
  pool: PgPool.PgPool,
  connection: PgConnection.PgConnection,
  exit: Exit.Failure<unknown, AttemptFailed>
): Effect.Effect<void> => {
  // Interrupted, or a defect: a statement may still be on its way. The server rolls back once it
  // sees the connection close.
  const failedClearly = exit.cause.reasons.every((reason) => reason._tag === "Fail")
  const discard = pool.invalidate(connection)
  if (!failedClearly) return discard
  return Effect.catch(Effect.asVoid(connection.query("ROLLBACK", [], false)), () => discard)
}

/** At random within a span that doubles: 2 ms, 4 ms, … up to about a quarter of a second. */
const backOff = (attempts: number): Effect.Effect<void> =>
  Effect.flatMap(Random.next, (random) =>
    Effect.andThen(
      Metric.update(batchRetries, 1),
      Effect.sleep(random * 2 ** Math.min(attempts, 8))
    )
  )
