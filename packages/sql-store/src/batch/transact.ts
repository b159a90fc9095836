/** One batch in one transaction: load and lock, decide, save and commit; again where need be. */

import { randomUUID } from "node:crypto"
import { type LoadPlan, type Rows, StoreUnavailable } from "@boxoffice/core"
import type { PgConnection, PgPool } from "@effect/sql-pg"
import { Effect, Exit, Metric, Random } from "effect"
import type { SqlError } from "effect/sql/SqlError"
import type { Waits } from "../connection/waits.ts"
import { Pipeline } from "../Pipeline.ts"
import { type Query, runQuery } from "../Query.ts"
import type { SchemaName } from "../schemaName.ts"
import {
  deadline,
  duplicateKey,
  isCommandsOwnKey,
  isConnectionLost,
  isContention,
  isPoisoned,
  unavailable,
  type WithDeadline
} from "../sqlFailure.ts"
import { type Attempt, type CommitStatus, commit, resolveCommit, rollback } from "./commit.ts"
import { begin, forceIndexPlans } from "./load/begin.ts"
import { makeLoad } from "./load/load.ts"
import type { InTransaction } from "./save/inTransaction.ts"
import { makeSave } from "./save/save.ts"

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

/** What a store's batches run on, and within which limits. */
export interface BatchContext {
  readonly pool: PgPool.PgPool
  readonly schema: SchemaName
  readonly waits: Waits
  /** Whether the connections are dropped, since the engine is closing: there is no finding out then. */
  readonly isDropped: () => boolean
}

export const makeTransact = (
  { pool, schema, waits, isDropped }: BatchContext,
  inTransaction?: InTransaction
) => {
  const withDeadline = deadline(waits.answerWithinMs)
  const settings = forceIndexPlans(waits)
  const load = makeLoad(schema)
  const save = makeSave(schema, inTransaction)

  const runOn = <A>(
    connection: PgConnection.PgConnection,
    plan: LoadPlan,
    decide: (rows: Rows) => A
  ): Effect.Effect<A, AttemptFailed> => {
    const loadPipeline = new Pipeline()
    loadPipeline.add(begin)
    loadPipeline.add(settings)
    const loaded = load(loadPipeline, plan)
    return Effect.flatMap(
      Effect.mapError(
        withDeadline(loadPipeline.run(connection)),
        (error) => new AttemptFailed(error)
      ),
      () => {
        const read = loaded()
        const outcome = decide(read.rows)
        const attemptId = randomUUID()
        const savePipeline = new Pipeline()
        save(savePipeline, read, attemptId)
        savePipeline.add(savePipeline.isEmpty ? rollback : commit)
        return Effect.mapBoth(withDeadline(savePipeline.run(connection)), {
          onFailure: (error) =>
            new AttemptFailed(error, outcome, { attemptId, xid: read.clock.xid }),
          onSuccess: () => outcome
        })
      }
    )
  }

  // Holds one connection, and asks for no other while it does: whatever the pool's size and the
  // number of callers, whoever has one can finish.
  const attempt = <A>(plan: LoadPlan, decide: (rows: Rows) => A) =>
    Effect.scoped(
      Effect.flatMap(
        Effect.mapError(withDeadline(pool.get), (error) => new AttemptFailed(error)),
        (connection) =>
          Effect.onExit(runOn(connection, plan, decide), (exit) =>
            Exit.isSuccess(exit) ? Effect.void : cleanUp(pool, connection, exit, withDeadline)
          )
      )
    )

  // An answer that was not waited for may still come: nobody else is given that connection.
  const look = <A>(query: Query<A>) =>
    pool.use((connection) =>
      Effect.onExit(runQuery(connection, query), (exit) =>
        Exit.isSuccess(exit)
          ? Effect.void
          : Effect.asVoid(Effect.forkDetach(pool.invalidate(connection)))
      )
    )
  const resolveLostCommit = (lost: Attempt) =>
    Effect.timeoutOrElse(
      resolveCommit(schema, lost, (query) => withDeadline(look(query)), isDropped),
      { duration: waits.answerWithinMs, orElse: () => Effect.succeed<CommitStatus>("unknown") }
    )
  return retrying({ attempt, fate: resolveLostCommit })
}

/** Runs an attempt again where that should help, or finds out that it was committed after all. */
export const retrying = (options: {
  readonly attempt: <A>(
    plan: LoadPlan,
    decide: (rows: Rows) => A
  ) => Effect.Effect<A, AttemptFailed>
  readonly fate: (lost: Attempt) => Effect.Effect<CommitStatus>
}) => {
  const run = <A>(
    plan: LoadPlan,
    decide: (rows: Rows) => A,
    attempts: number,
    duplicate?: string
  ): Effect.Effect<A, StoreUnavailable> =>
    Effect.catch(options.attempt(plan, decide), ({ error, outcome, attempt }) => {
      const key = duplicateKey(error)
      const again = () =>
        attempts >= attemptsMax
          ? Effect.fail(unavailable(error))
          : Effect.andThen(backOff(attempts), run(plan, decide, attempts + 1, key))
      // Another node was first, once. What is there the second time as well stays there: a command
      // of the batch cannot be inserted, ever, and the lane looks for it.
      if (key !== undefined && key === duplicate) {
        const isTaken = isCommandsOwnKey(error) ? { isTaken: true } : {}
        return Effect.fail(new StoreUnavailable({ retryable: false, cause: error, ...isTaken }))
      }
      if (isContention(error)) return again()
      if (attempt === undefined || !isConnectionLost(error)) return Effect.fail(unavailable(error))
      return Effect.flatMap(options.fate(attempt), (resolveLostCommit) => {
        if (resolveLostCommit === "committed") return Effect.succeed(outcome as A)
        return resolveLostCommit === "absent" ? again() : Effect.fail(unavailable(error))
      })
    })

  return <A>(plan: LoadPlan, decide: (rows: Rows) => A): Effect.Effect<A, StoreUnavailable> =>
    Effect.withSpan(run(plan, decide, 1), "SqlStore.transact")
}

/** Leaves no transaction open: the connection goes back to the pool for somebody else. */
export const cleanUp = (
  pool: PgPool.PgPool,
  connection: PgConnection.PgConnection,
  exit: Exit.Failure<unknown, AttemptFailed>,
  withDeadline: WithDeadline
): Effect.Effect<void> => {
  // Interrupted, or a defect: a statement may still be on its way. The server rolls back once it
  // sees the connection close.
  const isUsable = exit.cause.reasons.every(
    (reason) => reason._tag === "Fail" && !isPoisoned(reason.error.error)
  )
  const discard = pool.invalidate(connection)
  if (!isUsable) return discard
  const rolledBack = withDeadline(connection.query("ROLLBACK", [], false))
  return Effect.catch(Effect.asVoid(rolledBack), () => discard)
}

/** At random within a span that doubles: 2 ms, 4 ms, … up to about a quarter of a second. */
const backOff = (attempts: number): Effect.Effect<void> =>
  Effect.flatMap(Random.next, (random) =>
    Effect.andThen(
      Metric.update(batchRetries, 1),
      Effect.sleep(random * 2 ** Math.min(attempts, 8))
    )
  )
