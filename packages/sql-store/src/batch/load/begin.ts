import type { Waits } from "../../connection/waits.ts"
import type { Query } from "../../Query.ts"

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
 * How this transaction's statements are planned, and how long it may take. All of them look rows up
 * by key, so the plan by index is right whatever the tables hold, and there is nothing to gain from
 * planning again.
 *
 * Left to itself, the server plans with what it knows, and keeps a scan of the whole table that
 * was cheap while that was small: measured at 128 holds a batch, 162 ms against 8. These settings
 * end with the transaction, and so reach through a pooler, and the one backend of PGlite.
 *
 * The last ones are for a node that has vanished without a word: while the server sends to it, no
 * other limit ends the transaction that keeps its locks. On a Unix socket they mean nothing.
 */
export const forceIndexPlans = (waits: Waits): Query<void> => ({
  sql: `SELECT set_config('plan_cache_mode', 'force_generic_plan', true),
    set_config('enable_seqscan', 'off', true),
    set_config('enable_hashjoin', 'off', true),
    set_config('enable_mergejoin', 'off', true),
    set_config('lock_timeout', '${waits.lockTimeoutMs}ms', true),
    set_config('statement_timeout', '${waits.statementTimeoutMs}ms', true),
    set_config('idle_in_transaction_session_timeout', '${waits.idleInTransactionMs}ms', true),
    set_config('tcp_user_timeout', '${waits.idleInTransactionMs}ms', true),
    set_config('tcp_keepalives_idle', '${keepalive.idleSeconds}', true),
    set_config('tcp_keepalives_interval', '${keepalive.intervalSeconds}', true),
    set_config('tcp_keepalives_count', '${keepalive.count}', true)`,
  params: [],
  read: () => {}
})

/** Together about fifteen seconds, after which the server gives a silent link up. */
const keepalive = { idleSeconds: 5, intervalSeconds: 5, count: 2 }
