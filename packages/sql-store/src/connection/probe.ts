/** Whether a user's command could be done now: what readiness asks. */
import { randomUUID } from "node:crypto"
import { StoreUnavailable } from "@boxoffice/core"
import { Cause, Deferred, Effect, Exit } from "effect"
import { commit } from "../batch/commit.ts"
import { begin, forceIndexPlans } from "../batch/load/begin.ts"
import { insertOutcomes } from "../batch/save/outcomes.ts"
import { AttemptFailed, type BatchContext, cleanUp } from "../batch/transact.ts"
import { Pipeline } from "../Pipeline.ts"
import type { Query } from "../Query.ts"
import type { SchemaName } from "../schemaName.ts"
import { deadline, unavailable } from "../sqlFailure.ts"

/** Tables that commands write to: whoever has locked one as a whole stops them all. */
const written = ["queue", "queue_token", "wallet", "reservation", "seat", "transfer", "outbox"]
/** Shorter than a server waits before it looks for a deadlock: a migration must not be its victim. */
const lockTimeout = "500ms"
/** How long one answer is given again. */
const freshMs = 1_000

const statement = (sql: string): Query<void> => ({
  sql,
  params: [],
  read: () => {},
  unprepared: true
})

/**
 * What each command needs, in a transaction of its own: the tables, a row that is written to the disk
 * (and taken back, so that nothing grows), and a commit. A server that only reads refuses it, and so
 * does one whose disk is full; one that cannot make a commit durable does not answer it.
 */
export const probing = (schema: SchemaName): ReadonlyArray<Query<void>> => [
  statement(`SELECT set_config('lock_timeout', '${lockTimeout}', true)`),
  statement(
    `LOCK TABLE ${written.map((table) => `${schema}.${table}`).join(", ")} IN ROW EXCLUSIVE MODE`
  ),
  statement("SAVEPOINT boxoffice_probe"),
  insertOutcomes(schema)([
    {
      commandId: randomUUID() as never,
      userId: "probe" as never,
      operation: "probe" as never,
      fingerprint: "",
      outcome: "null"
    }
  ]),
  statement("ROLLBACK TO SAVEPOINT boxoffice_probe")
]

/** On a connection of the batches, as a command would be done. */
export const makeProbe = ({
  pool,
  schema,
  waits
}: BatchContext): Effect.Effect<void, StoreUnavailable> => {
  const withDeadline = deadline(waits.answerWithinMs)
  const plan = forceIndexPlans(waits)
  const failed = (error: ConstructorParameters<typeof AttemptFailed>[0]) => new AttemptFailed(error)
  return Effect.scoped(
    Effect.flatMap(Effect.mapError(withDeadline(pool.get), failed), (connection) => {
      const pipeline = new Pipeline()
      for (const query of [begin, plan, ...probing(schema), commit]) pipeline.add(query)
      return Effect.onExit(
        Effect.mapError(withDeadline(pipeline.run(connection)), failed),
        (exit) =>
          Exit.isSuccess(exit) ? Effect.void : cleanUp(pool, connection, exit, withDeadline)
      )
    })
  ).pipe(Effect.mapError(({ error }) => unavailable(error)))
}

/**
 * However many ask, there is one probe at a time, and one each second. It goes on where whoever asked
 * has gone: the next one hears what came of it.
 */
export const shared = (
  probe: Effect.Effect<void, StoreUnavailable>
): Effect.Effect<void, StoreUnavailable> => {
  type Answer = Deferred.Deferred<void, StoreUnavailable>
  let last: { readonly answer: Answer; readonly at: number } | undefined
  return Effect.suspend(() => {
    // By the machine's own clock: how a server is has nothing to do with a test's time.
    if (last !== undefined && performance.now() - last.at < freshMs) {
      return Deferred.await(last.answer)
    }
    const answer: Answer = Deferred.makeUnsafe()
    const asked = { answer, at: Number.POSITIVE_INFINITY }
    last = asked
    // A pool that is shut down interrupts whoever waits for it.
    const ended = Effect.catchCause(probe, (cause) =>
      Cause.hasInterrupts(cause) ? Effect.fail(closed) : Effect.failCause(cause)
    )
    return Effect.onExit(ended, (exit) => {
      asked.at = performance.now()
      return Deferred.done(answer, exit)
    }).pipe(Effect.forkDetach({ startImmediately: true }), Effect.andThen(Deferred.await(answer)))
  })
}

const closed = new StoreUnavailable({ retryable: false, cause: "The store is closed." })
