/**
 * Runs one batch in one transaction:
 *
 * - Load: one pipeline begins the transaction, locks the rows of the load plan and reads them.
 * - Decide: the commands of the batch run on these rows, in memory.
 * - Save and commit: one more pipeline writes what changed and commits.
 *
 * If another node was first, or the server asks for it, the batch runs again on fresh rows.
 */

import { randomUUID } from "node:crypto"
import type { StoreUnavailable } from "@boxoffice/core"
import {
  type AttemptFault,
  type CommitStatus,
  type LoadPlan,
  type Rows,
  retryAttempts
} from "@boxoffice/core/store"
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
import { type Attempt, commit, resolveCommit, rollback } from "./commit.ts"
import { begin, settingsOfBatches } from "./load/begin.ts"
import { makeLoad } from "./load/load.ts"
import type { InTransaction } from "./save/inTransaction.ts"
import { makeSave } from "./save/save.ts"

/** How often batches ran again, because another node was first or the server asked for it. */
export const batchRetries = Metric.counter("boxoffice_store_batch_retries", {
  description: "Batches that ran again on fresh rows",
  incremental: true
})

/**
 * How an attempt failed. `attempt` is set if its COMMIT had been sent, so that it may have
 * committed.
 */
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

/** What the batches of a store run on, and their time limits. */
export interface BatchContext {
  readonly pool: PgPool.PgPool
  readonly schema: SchemaName
  readonly waits: Waits
  /**
   * Whether the store drops its connections because the engine is closing. It cannot find out then
   * whether a commit took effect.
   */
  readonly isDropped: () => boolean
}

export const makeTransact = (
  { pool, schema, waits, isDropped }: BatchContext,
  inTransaction?: InTransaction
) => {
  const withDeadline = deadline(waits.answerWithinMs)
  const settings = settingsOfBatches(waits)
  const load = makeLoad(schema)
  const save = makeSave(schema, inTransaction)

  const runOn = <A>(
    connection: PgConnection.PgConnection,
    plan: LoadPlan,
    decide: (rows: Rows) => A
  ): Effect.Effect<A, AttemptFailed> => {
    const loadPipeline = new Pipeline()
    loadPipeline.add(begin)
    loadPipeline.add(settings(plan))
    const loaded = load(loadPipeline, plan)
    return Effect.flatMap(
      Effect.mapError(
        // Guard load-deadline: without "withDeadline", outage.test "go silent are dropped" fails.
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
        // Guard commit-deadline: without "withDeadline", outage.test "link is cut within" fails.
        return Effect.mapBoth(withDeadline(savePipeline.run(connection)), {
          onFailure: (error) =>
            new AttemptFailed(error, outcome, { attemptId, xid: read.clock.xid }),
          onSuccess: () => outcome
        })
      }
    )
  }

  // An attempt holds one connection and never asks for a second one. So the pool cannot deadlock,
  // whatever its size and the number of callers: each attempt that has a connection can finish.
  const attempt = <A>(plan: LoadPlan, decide: (rows: Rows) => A) =>
    onConnection(pool, withDeadline, (connection) => runOn(connection, plan, decide))

  // The answer to a query that was given up may still arrive. The pool drops the connection, so
  // that no other caller receives that answer.
  const runOnPool = <A>(query: Query<A>) =>
    pool.use((connection) =>
      Effect.onExit(runQuery(connection, query), (exit) =>
        Exit.isSuccess(exit)
          ? Effect.void
          : Effect.asVoid(Effect.forkDetach(pool.invalidate(connection)))
      )
    )
  const resolveLostCommit = (lost: Attempt) =>
    Effect.timeoutOrElse(
      resolveCommit(schema, lost, (query) => withDeadline(runOnPool(query)), isDropped),
      { duration: waits.answerWithinMs, orElse: () => Effect.succeed<CommitStatus>("unknown") }
    )
  return retrying({ attempt, resolveLostCommit })
}

/** Runs an attempt again if that can help: see `retryAttempts`. */
export const retrying = (options: {
  readonly attempt: <A>(
    plan: LoadPlan,
    decide: (rows: Rows) => A
  ) => Effect.Effect<A, AttemptFailed>
  readonly resolveLostCommit: (lost: Attempt) => Effect.Effect<CommitStatus>
}) => {
  const run = retryAttempts({
    attempt: (plan, decide) =>
      Effect.mapError(options.attempt(plan, decide), ({ error, outcome, attempt }) => ({
        fault: faultOf(error),
        outcome,
        attempt
      })),
    resolveLostCommit: options.resolveLostCommit,
    backOff
  })
  return <A>(plan: LoadPlan, decide: (rows: Rows) => A): Effect.Effect<A, StoreUnavailable> =>
    Effect.withSpan(run(plan, decide), "SqlStore.transact")
}

const faultOf = (error: SqlError): AttemptFault => ({
  unavailable: unavailable(error),
  isContention: isContention(error),
  isLost: isConnectionLost(error),
  duplicateKey: duplicateKey(error),
  isCommandsOwnKey: isCommandsOwnKey(error)
})

/** Runs work on a connection of the batches. If it fails, no transaction stays open there. */
export const onConnection = <A>(
  pool: PgPool.PgPool,
  withDeadline: WithDeadline,
  work: (connection: PgConnection.PgConnection) => Effect.Effect<A, AttemptFailed>
): Effect.Effect<A, AttemptFailed> =>
  Effect.scoped(
    Effect.flatMap(
      Effect.mapError(withDeadline(pool.get), (error) => new AttemptFailed(error)),
      (connection) =>
        Effect.onExit(work(connection), (exit) =>
          // Guard rolled-back: with "Effect.void" for "cleanUp(…)", retry.test "a deadlock with another application's" fails.
          Exit.isSuccess(exit) ? Effect.void : cleanUp(pool, connection, exit, withDeadline)
        )
    )
  )

/** Leaves no transaction open, since the pool lends the connection to another caller next. */
const cleanUp = (
  pool: PgPool.PgPool,
  connection: PgConnection.PgConnection,
  exit: Exit.Failure<unknown, AttemptFailed>,
  withDeadline: WithDeadline
): Effect.Effect<void> => {
  // After an interruption or a defect a statement may still be in progress. The store closes the
  // connection, and the server then rolls back.
  const isUsable = exit.cause.reasons.every(
    // Guard poisoned-batches: without " && !isPoisoned(…error)", outage.test "was read-only" fails.
    (reason) => reason._tag === "Fail" && !isPoisoned(reason.error.error)
  )
  const discard = pool.invalidate(connection)
  if (!isUsable) return discard
  const rolledBack = withDeadline(connection.query("ROLLBACK", [], false))
  return Effect.catch(Effect.asVoid(rolledBack), () => discard)
}

/**
 * Waits for a random time. Its limit doubles with each attempt: 2 ms, 4 ms, … up to about a quarter
 * of a second.
 */
const backOff = (attempts: number): Effect.Effect<void> =>
  Effect.flatMap(Random.next, (random) =>
    Effect.andThen(
      Metric.update(batchRetries, 1),
      Effect.sleep(random * 2 ** Math.min(attempts, 8))
    )
  )
