import { instant, type Query } from "../../Query.ts"

export interface ClockReading {
  /** Milliseconds since 1970. */
  readonly now: number
  /** The transaction's id: where to look for what it wrote, should its commit be lost. */
  readonly xid: string
  /** Of the session, which a host may have set otherwise. */
  readonly replicationRole: string
  readonly clientEncoding: string
}

/**
 * The time, in a statement of its own behind all locks: a hold may have lapsed while they waited.
 * The xid costs nothing, since a transaction that has locked rows has one.
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
