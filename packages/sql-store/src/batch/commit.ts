/**
 * How a batch ends, and how the store finds out whether a commit took effect when the connection
 * was lost before the server's answer arrived.
 */
import { type AttemptStatus, type CommitStatus, settleCommit } from "@boxoffice/core/store"
import { Effect } from "effect"
import type { SqlError } from "effect/sql/SqlError"
import type { Query } from "../Query.ts"
import type { SchemaName } from "../schemaName.ts"
import { confirmEarlierCommits } from "./save/confirm.ts"

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
 * Finds out whether an attempt committed, on a connection of its own (`run`). It counts as committed
 * once its row is as durable as any commit.
 */
export const resolveCommit = (
  schema: SchemaName,
  { attemptId, xid }: Attempt,
  run: <A>(query: Query<A>) => Effect.Effect<A, SqlError>,
  isDropped?: () => boolean
): Effect.Effect<CommitStatus> =>
  Effect.flatMap(settleCommit(run(statusQuery(schema, xid, attemptId)), isDropped), (status) =>
    status === "committed"
      ? Effect.match(run(confirmEarlierCommits), {
          onSuccess: () => "committed" as const,
          onFailure: () => "unknown" as const
        })
      : Effect.succeed(status)
  )

const statusQuery = (schema: SchemaName, xid: string, attemptId: string): Query<AttemptStatus> => ({
  // Guard commit-own-row: without " AND attempt_id =…::uuid", smallGuards.test "own row proves its" fails.
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
