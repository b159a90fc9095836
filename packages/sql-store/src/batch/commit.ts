/**
 * How a batch ends, and how the store finds out whether a commit took effect when the connection
 * was lost before the server's answer arrived.
 */
import { Effect, Schedule } from "effect"
import type { SqlError } from "effect/sql/SqlError"
import type { Query } from "../Query.ts"
import type { SchemaName } from "../schemaName.ts"

const end = (sql: string): Query<void> => ({ sql, params: [], read: () => {}, unprepared: true })
export const commit = end("COMMIT")
/**
 * Ends a batch that changed nothing. There is nothing to make durable, so a rollback spares the
 * wait for the disk.
 */
export const rollback = end("ROLLBACK")

/** What the store knows of an attempt whose COMMIT it had sent. */
export interface Attempt {
  /** A random id of this attempt. The attempt's outbox row holds it, if the attempt wrote one. */
  readonly attemptId: string
  /**
   * The transaction's id. It says where to look for that row, and whether the transaction is still
   * in progress. It does not prove a commit: see {@link resolveCommit}.
   */
  readonly xid: string
}

/**
 * - `committed`: the attempt's own row is in the outbox.
 * - `absent`: the row is not there and cannot appear later.
 * - `unknown`: the store reached no server that could know, or the server's answer does not settle
 *   it.
 */
export type CommitStatus = "committed" | "absent" | "unknown"

// Together about five seconds: a server that restarts is often back by then.
const pause = Schedule.spaced("100 millis")
const pausesMax = 50

/**
 * Finds out whether an attempt committed, on a connection of its own (`run`).
 *
 * The server's status of the transaction id is not enough to say "committed". After a crash, or on
 * a new leader, the server reuses ids whose records never reached the disk, so another transaction
 * may have committed under this id. Only the attempt's own row proves its commit.
 *
 * If the id is committed and the row is missing, the store runs the query once more: the commit may
 * have come between the query's snapshot and its reading of the status. If the row is still
 * missing, either another transaction has the id or the row was pruned, and the status is unknown.
 * It is unknown, too, once the store drops its connections (`isDropped`).
 */
export const resolveCommit = (
  schema: SchemaName,
  { attemptId, xid }: Attempt,
  run: <A>(query: Query<A>) => Effect.Effect<A, SqlError>,
  isDropped: () => boolean = () => false
): Effect.Effect<CommitStatus> =>
  Effect.gen(function* () {
    const readStatus = run(statusQuery(schema, xid, attemptId))
    const found = yield* readStatus.pipe(
      Effect.filterOrFail(({ status }) => status !== "in progress"),
      Effect.retry({ schedule: pause, times: pausesMax, while: () => !isDropped() })
    )
    const { status, hasRow } =
      found.status === "committed" && !found.hasRow ? yield* readStatus : found
    if (hasRow) return "committed"
    return status === "aborted" || status === "none" ? "absent" : "unknown"
  }).pipe(Effect.catch(() => Effect.succeed<CommitStatus>("unknown")))

interface Found {
  /**
   * The server's status of the transaction id. `none`: the server has not assigned the id yet, or
   * has forgotten it. `standby`: a standby may lag behind, so a row missing there proves nothing.
   */
  readonly status: "in progress" | "committed" | "aborted" | "none" | "standby"
  readonly hasRow: boolean
}

const statusQuery = (schema: SchemaName, xid: string, attemptId: string): Query<Found> => ({
  sql: `SELECT
    CASE
      WHEN pg_is_in_recovery() THEN 'standby'
      WHEN $1::text::xid8 < pg_current_xact_id()
        THEN coalesce(pg_xact_status($1::text::xid8), 'none')
      ELSE 'none'
    END,
    EXISTS (SELECT FROM ${schema}.outbox
      WHERE xid = $1::text::xid8 AND attempt_id = $2::text::uuid)`,
  params: [xid, attemptId],
  read: ([row]) => ({ status: row![0], hasRow: row![1] })
})
