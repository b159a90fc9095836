/** Runs one batch in one transaction: see `batch/transact.ts` of the SQL store. */
import { Effect, Random } from "effect"
import type { BoxOfficeStore } from "../../BoxOfficeStore.ts"
import {
  type AttemptStatus,
  type CommitStatus,
  type FailedAttempt,
  retryAttempts,
  settleCommit,
  statementTimeoutOf
} from "../../engine/attempts.ts"
import type { LoadPlan } from "../../engine/LoadPlan.ts"
import type { Rows } from "../../engine/Rows.ts"
import type { Statement } from "../database/Statement.ts"
import { answerWithinMs } from "./connection.ts"
import { type Failure, faultOf } from "./failures.ts"
import { addLoads } from "./load.ts"
import { Pipeline } from "./Pipeline.ts"
import type { Pool } from "./Pool.ts"
import { reading } from "./reads.ts"
import { addSaves } from "./save.ts"
import type { Schema } from "./schema.ts"

/** An attempt whose COMMIT was sent: its own id, and that of its transaction. */
interface Sent {
  readonly attemptId: string
  readonly xid: number
}

export interface BatchContext {
  readonly pool: Pool
  readonly schema: Schema
  /** An id that cannot be guessed. */
  readonly uuid: () => string
  /** Whether batches wait by the clock before they run again; else they only let others go first. */
  readonly backsOff: boolean
  readonly lockTimeoutMs: number
}

const statementTimeoutMs = 15_000

/** Begins a transaction with its time limits. */
export const begin = (
  pipeline: Pipeline,
  limits: { readonly lockTimeoutMs: number; readonly statementTimeoutMs: number }
): void =>
  pipeline.control("BEGIN", (session) => {
    session.begin()
    Object.assign(session, limits)
  })

export const makeTransact = ({
  pool,
  schema,
  uuid,
  backsOff,
  lockTimeoutMs
}: BatchContext): BoxOfficeStore["Service"]["transact"] => {
  const attempt = <A>(
    plan: LoadPlan,
    decide: (rows: Rows) => A
  ): Effect.Effect<A, FailedAttempt<Sent>> => {
    const failed = (failure: Failure, outcome?: unknown, sent?: Sent) => ({
      failure,
      fault: faultOf(failure),
      outcome,
      attempt: sent
    })
    return Effect.mapError(
      pool.use(
        (connection) =>
          Effect.gen(function* () {
            const loads = new Pipeline()
            begin(loads, {
              lockTimeoutMs,
              statementTimeoutMs: statementTimeoutOf(plan, { lockTimeoutMs, statementTimeoutMs })
            })
            const loaded = addLoads(schema, loads, plan)
            yield* Effect.mapError(connection.send("load", loads), (failure) => failed(failure))
            const read = loaded()
            const outcome = decide(read.rows)
            const sent = { attemptId: uuid(), xid: read.clock.xid }
            const saves = new Pipeline()
            addSaves(schema, saves, read, sent.attemptId)
            if (saves.isEmpty) saves.rollback()
            else saves.commit()
            yield* Effect.mapError(connection.send("save", saves), (failure) =>
              failed(failure, outcome, sent)
            )
            return outcome
          }),
        (error) => ("failure" in error ? error.failure : error)
      ),
      (error) => ("failure" in error ? error : failed(error))
    )
  }

  /** A connection whose answer was given up is not used again. */
  const readStatus = ({ attemptId, xid }: Sent) =>
    pool.use(
      (connection) => {
        const pipeline = new Pipeline()
        begin(pipeline, { lockTimeoutMs: 0, statementTimeoutMs: 0 })
        const status = pipeline.add(
          reading("look for an attempt", (statement) => ({
            status: statusOf(statement, xid),
            hasRow: statement
              .find(schema.outbox, "byXid", `${xid}`)
              .some(({ row }) => row.attemptId === attemptId)
          }))
        )
        pipeline.rollback()
        return Effect.map(connection.send("status", pipeline), status)
      },
      (failure) => failure
    )

  return retryAttempts<Sent>({
    attempt,
    resolveLostCommit: (sent) =>
      Effect.timeoutOrElse(settleCommit(readStatus(sent)), {
        duration: answerWithinMs,
        orElse: () => Effect.succeed<CommitStatus>("unknown")
      }),
    backOff: (attempts) =>
      backsOff
        ? Effect.flatMap(Random.next, (random) => Effect.sleep(random * 2 ** Math.min(attempts, 8)))
        : Effect.yieldNow
  })
}

/** The server's status of a transaction id. Asking takes an id, as it does in Postgres. */
const statusOf = (statement: Statement, xid: number): AttemptStatus["status"] => {
  if (statement.transaction.session.isReadOnly) return "standby"
  return xid < statement.xid() ? statement.database.statusOf(xid) : "none"
}
