import { instant, type Query } from "../Query.ts"

export interface Moment {
  /** Milliseconds since 1970. */
  readonly now: number
  /** The transaction's id: where to look for what it wrote, should its commit be lost. */
  readonly xid: string
}

/**
 * The time, in a statement of its own behind all locks: a hold may have lapsed while they waited.
 * The xid costs nothing, since a transaction that has locked rows has one.
 */
export const readClock: Query<Moment> = {
  sql: "SELECT date_trunc('milliseconds', clock_timestamp()), pg_current_xact_id()::text",
  params: [],
  read: ([row]) => ({ now: instant(row![0]), xid: row![1] })
}
