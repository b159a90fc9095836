import { type LoadPlan, statementTimeoutOf } from "@boxoffice/core/store"
import type { Waits } from "../../connection/waits.ts"
import type { Query } from "../../Query.ts"

/**
 * States the isolation level, since a database can have another default. Every statement must see
 * what was committed before it began: a count behind a lock has to include what the lock waited
 * for.
 */
export const begin: Query<void> = {
  // Guard read-committed: without " ISOLATION…COMMITTED", locks.test "the default level" fails.
  sql: "BEGIN ISOLATION LEVEL READ COMMITTED",
  params: [],
  read: () => {},
  unprepared: true
}

/**
 * Sets how the server plans the statements of this transaction, and how long it may take. All
 * statements find rows by key, so the index plan is right whatever the tables hold, and planning
 * again gains nothing.
 *
 * By default the server plans by its statistics, and keeps a scan of the whole table that was cheap
 * while the table was small: measured at 128 holds a batch, 162 ms against 8. These settings end
 * with the transaction, so they work through a pooler and on the one backend of PGlite.
 *
 * The last four settings are for a node that vanished without closing its connection. While the
 * server sends to such a node, no other limit ends the transaction that keeps its locks. On a Unix
 * socket they have no effect.
 */
export const forceIndexPlans = (waits: Waits): Query<void> => ({
  // Guard lock-timeout: without `set_config('lock… true),`, limits.test "is silent for too long" fails.
  // Guard statement-timeout: without `set_config('statement… true),`, limits.test "is silent for too long" fails.
  // Guard idle-timeout: without `set_config('idle_… true),`, limits.test "is silent for too long" fails.
  // Guard tcp-timeout: without `set_config('tcp_user… true),`, limits.test "is silent for too long" fails.
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

/** The settings of a batch: see `statementTimeoutOf`. */
export const settingsOfBatches = (waits: Waits) => {
  const settings = new Map<number, Query<void>>()
  return (plan: LoadPlan): Query<void> => {
    const statementTimeoutMs = statementTimeoutOf(plan, waits)
    const known =
      settings.get(statementTimeoutMs) ?? forceIndexPlans({ ...waits, statementTimeoutMs })
    settings.set(statementTimeoutMs, known)
    return known
  }
}

/** For how long a batch waits for a lock that waits only briefly. */
const briefly = "50ms"

/** Shortens the wait for locks of this transaction: see `waitsBriefly` of the load plan. */
export const waitBriefly: Query<void> = {
  // Guard brief-waits: with "boxoffice.x" for "lock_timeout", limits.test "is silent for" fails.
  sql: `SELECT set_config('lock_timeout', '${briefly}', true)`,
  params: [],
  read: () => {}
}

/** Together about fifteen seconds. After that the server closes a silent connection. */
const keepalive = { idleSeconds: 5, intervalSeconds: 5, count: 2 }
