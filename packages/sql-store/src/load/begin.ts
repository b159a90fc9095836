import type { Query } from "../Query.ts"

/**
 * The level is said, since a database can have another default. Every statement has to see what
 * was committed before it began: what is counted behind a lock, as it is behind that lock.
 */
export const begin: Query<void> = {
  sql: "BEGIN ISOLATION LEVEL READ COMMITTED",
  params: [],
  read: () => {},
  unprepared: true
}

/**
 * How long a batch waits for a row that somebody else has locked, before it goes on without it: longer
 * than a server waits by default before it looks for a deadlock, which it then says by name.
 */
const lockTimeout = "1500ms"
/** The longest that a statement of a batch takes, and that a node is silent within its transaction:
 * the server then frees the locks of a node that has vanished. */
const silenceTimeout = "15s"

/**
 * How this transaction's statements are planned, and how long it may take. All of them look rows up by key, so the plan by
 * index is right whatever the tables hold, and there is nothing to gain from planning again.
 *
 * Left to itself, the server plans with what it knows, and keeps a scan of the whole table that
 * was cheap while that was small: measured at 128 holds a batch, 162 ms against 8. These settings
 * end with the transaction, and so reach through a pooler, and the one backend of PGlite.
 */
export const planByKey: Query<void> = {
  sql: `SELECT set_config('plan_cache_mode', 'force_generic_plan', true),
    set_config('enable_seqscan', 'off', true),
    set_config('enable_hashjoin', 'off', true),
    set_config('enable_mergejoin', 'off', true),
    set_config('lock_timeout', '${lockTimeout}', true),
    set_config('statement_timeout', '${silenceTimeout}', true),
    set_config('idle_in_transaction_session_timeout', '${silenceTimeout}', true)`,
  params: [],
  read: () => {}
}
