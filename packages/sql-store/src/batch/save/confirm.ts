import type { Query } from "../../Query.ts"

/**
 * Makes the commit of this transaction wait until every earlier commit is as durable as the server's
 * settings demand, on a synchronous standby too. A transaction that only reads does not wait.
 *
 * A server that crashed while commits waited for a standby shows these commits once it is back. They
 * are lost if it fails over then, so the store may not report them yet. The record in the log has no
 * other use: no table changes.
 */
export const confirmEarlierCommits: Query<void> = {
  sql: "SELECT pg_logical_emit_message(true, 'boxoffice', ''::text)::text",
  params: [],
  read: () => {}
}
