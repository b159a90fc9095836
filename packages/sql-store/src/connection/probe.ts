/** Readiness probe: checks whether a user's command could succeed now. */
import { randomUUID } from "node:crypto"
import { StoreUnavailable } from "@boxoffice/core"
import { Closed } from "@boxoffice/core/store"
import { Cause, Deferred, Effect } from "effect"
import { commit } from "../batch/commit.ts"
import { begin, forceIndexPlans } from "../batch/load/begin.ts"
import { insertOutcomes } from "../batch/save/outcomes.ts"
import { AttemptFailed, type BatchContext, onConnection } from "../batch/transact.ts"
import { Pipeline } from "../Pipeline.ts"
import type { Query } from "../Query.ts"
import type { SchemaName } from "../schemaName.ts"
import { deadline, unavailable } from "../sqlFailure.ts"

/** Tables that users' commands write to. A session that has locked one of them stops those commands. */
const written = [
  "queue",
  "queue_code",
  "queue_departure",
  "queue_exit",
  "queue_grant",
  "queue_presence",
  "queue_token",
  "wallet",
  "reservation",
  "seat",
  "transfer",
  "command_outcome",
  "outbox"
]
/** Tables that users' commands only read: an index may be built on them meanwhile. */
const read = ["show", "performance"]
/**
 * Shorter than the server's `deadlock_timeout`, so that the probe never makes a migration the
 * victim of a deadlock check.
 */
const lockTimeout = "500ms"
/** How long a result is reused. */
const resultMaxAgeMs = 1_000

const statement = (sql: string): Query<void> => ({
  sql,
  params: [],
  read: () => {},
  unprepared: true
})

const lock = (schema: SchemaName, tables: ReadonlyArray<string>, mode: string) =>
  statement(`LOCK TABLE ${tables.map((table) => `${schema}.${table}`).join(", ")} IN ${mode} MODE`)

/**
 * The statements of a probe, in a transaction of its own. They need what each command needs: the
 * tables, a row that is written to disk (and taken back, so that no table grows), and a commit. A
 * read-only server refuses them, and so does one whose disk is full; a server that cannot make a
 * commit durable does not answer.
 */
export const probeStatements = (schema: SchemaName): ReadonlyArray<Query<void>> => [
  statement(`SELECT set_config('lock_timeout', '${lockTimeout}', true)`),
  lock(schema, written, "ROW EXCLUSIVE"),
  lock(schema, read, "ACCESS SHARE"),
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

/** Runs the probe on a connection of the batches, like a command. */
export const makeProbe = ({
  pool,
  schema,
  waits
}: BatchContext): Effect.Effect<void, StoreUnavailable> => {
  const withDeadline = deadline(waits.answerWithinMs)
  const plan = forceIndexPlans(waits)
  return onConnection(pool, withDeadline, (connection) => {
    const pipeline = new Pipeline()
    for (const query of [begin, plan, ...probeStatements(schema), commit]) pipeline.add(query)
    return Effect.mapError(
      withDeadline(pipeline.run(connection)),
      (error) => new AttemptFailed(error)
    )
  }).pipe(Effect.mapError(({ error }) => unavailable(error)))
}

/**
 * Shares a probe among its callers: there is one at a time, and at most one each second. It holds
 * the last result for that second. A probe goes on if its first caller is interrupted, so the next
 * caller gets its result.
 */
export const shareProbe = (
  probe: Effect.Effect<void, StoreUnavailable>
): Effect.Effect<void, StoreUnavailable> => {
  type Answer = Deferred.Deferred<void, StoreUnavailable>
  let last: { readonly answer: Answer; readonly at: number } | undefined
  return Effect.suspend(() => {
    // Uses the machine's clock: the server's health does not depend on the clock of a test.
    if (last !== undefined && performance.now() - last.at < resultMaxAgeMs) {
      return Deferred.await(last.answer)
    }
    const answer: Answer = Deferred.makeUnsafe()
    const result = { answer, at: Number.POSITIVE_INFINITY }
    last = result
    // A pool that shuts down interrupts its waiting callers.
    const ended = Effect.catchCause(probe, (cause) =>
      Cause.hasInterrupts(cause) ? Effect.fail(closed) : Effect.failCause(cause)
    )
    return Effect.onExit(ended, (exit) => {
      result.at = performance.now()
      return Deferred.done(answer, exit)
    }).pipe(Effect.forkDetach({ startImmediately: true }), Effect.andThen(Deferred.await(answer)))
  })
}

const closed = new StoreUnavailable({
  retryable: false,
  cause: new Closed("This store is closed: open another one.")
})
