/** The time of a batch, and what the store has to know of its transaction and session. */
import { instant, type Query } from "../../Query.ts"

export interface ClockReading {
  /** Milliseconds since 1970. */
  readonly now: number
  /**
   * The transaction's id. If the connection is lost during the commit, the store looks for the
   * attempt's row by it.
   */
  readonly xid: string
  /** Settings of the session. A host may have changed them. */
  readonly replicationRole: string
  readonly clientEncoding: string
}

/**
 * Reads the time in a statement of its own behind all locks, since a hold may lapse while the batch
 * waits for them. The transaction id costs nothing: a transaction that has locked rows has one.
 */
export const readClock: Query<ClockReading> = {
  sql: `
    SELECT date_trunc('milliseconds', clock_timestamp()), pg_current_xact_id()::text,
      current_setting('session_replication_role'), current_setting('client_encoding')`,
  params: [],
  read: ([row]) => ({
    now: instant(row![0]),
    xid: row![1],
    replicationRole: row![2],
    clientEncoding: row![3]
  })
}
