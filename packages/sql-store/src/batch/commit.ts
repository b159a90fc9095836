/** How a batch ends, and what became of a commit whose answer was lost with the connection. */
import { Effect, Schedule } from "effect"
import type { SqlError } from "effect/sql/SqlError"
import type { Query } from "../Query.ts"
import type { SchemaName } from "../schemaName.ts"

const end = (sql: string): Query<void> => ({ sql, params: [], read: () => {}, unprepared: true })
export const commit = end("COMMIT")
/** A batch that changed nothing has nothing to make durable: this spares the wait for the disk. */
export const rollback = end("ROLLBACK")

/** What is known of an attempt whose COMMIT was on its way. */
export interface Attempt {
  /** Drawn at random for this attempt, and in its outbox row where it wrote one. */
  readonly attemptId: string
  /** Where to look for that row, and whether to wait. It proves nothing: see {@link resolveCommit}. */
  readonly xid: string
}

/**
 * - `committed`: the attempt's own row is there.
 * - `absent`: it is not there, and cannot come any more.
 * - `unknown`: no server that could know was reached, or what it says does not settle it.
 */
export type CommitStatus = "committed" | "absent" | "unknown"

// Together about five seconds: a server that is being restarted is often back by then.
const pause = Schedule.spaced("100 millis")
const pausesMax = 50

/**
 * Finds out what became of an attempt, on a connection of its own (`run`).
 *
 * The server's word for the transaction's id is not enough to say "committed". After a crash, or on
 * a new leader, the server gives ids again whose records never reached the disk, and another
 * transaction may have committed under this one. Only the attempt's own row proves its commit.
 *
 * Where the id is committed and the row is not there, the statement is asked once more: the commit
 * may have come between its snapshot and its answer. After that, either somebody else has the id, or
 * the row was pruned, and nobody can tell. Nor where the connections are dropped (`isDropped`).
 */
export const resolveCommit = (
  schema: SchemaName,
  { attemptId, xid }: Attempt,
  run: <A>(query: Query<A>) => Effect.Effect<A, SqlError>,
  isDropped: () => boolean = () => false
): Effect.Effect<CommitStatus> =>
  Effect.gen(function* () {
    const look = run(lookFor(schema, xid, attemptId))
    const found = yield* look.pipe(
      Effect.filterOrFail(({ status }) => status !== "in progress"),
      Effect.retry({ schedule: pause, times: pausesMax, while: () => !isDropped() })
    )
    const { status, hasRow } = found.status === "committed" && !found.hasRow ? yield* look : found
    if (hasRow) return "committed"
    return status === "aborted" || status === "none" ? "absent" : "unknown"
  }).pipe(Effect.catch(() => Effect.succeed<CommitStatus>("unknown")))

interface Found {
  /**
   * What the server says of the transaction's id: `none` where it has yet to give it, or has
   * forgotten it. A standby may be behind, so that what it does not have says nothing.
   */
  readonly status: "in progress" | "committed" | "aborted" | "none" | "standby"
  readonly hasRow: boolean
}

const lookFor = (schema: SchemaName, xid: string, attemptId: string): Query<Found> => ({
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
