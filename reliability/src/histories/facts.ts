/** The rows of the database when everything has come to rest: what a history is compared with. */
import { readFileSync } from "node:fs"
import { Invariants } from "@boxoffice/sql-store"
import { PgClient } from "@effect/sql-pg"
import { Effect, Redacted } from "effect"
import type { Sql } from "./world/sql.ts"

export interface TransferFact {
  readonly id: string
  readonly kind: "charge" | "payment" | "refund"
  readonly user: string
  readonly amount: number
  readonly balance: number
  readonly version: number
  readonly reservation: string | null
}
interface WalletFact {
  readonly user: string
  readonly balance: number
  readonly version: number
}
export interface ReservationFact {
  readonly id: string
  readonly user: string
  readonly performance: string
  readonly seats: ReadonlyArray<string>
  readonly amount: number
  readonly status: string
  readonly payment: string | null
}
interface SeatFact {
  readonly performance: string
  readonly seat: string
  readonly status: string
  readonly reservation: string | null
}
interface TokenFact {
  readonly id: string
  readonly queue: string
  readonly user: string
  readonly lane: string
  readonly number: number
  readonly state: string
}
interface QueueFact {
  readonly id: string
  readonly mode: string
  readonly maxActive: number
  readonly admitPerMinute: number
}
export interface EventFact {
  readonly batch: number
  readonly position: number
  // biome-ignore lint/suspicious/noExplicitAny: an event as the outbox has it
  readonly event: any
}
interface VerifiedFact {
  readonly invariant: string
  readonly meaning: string
  readonly violations: number
}
export interface LogFact {
  readonly text: string
  readonly count: number
}

export interface Facts {
  readonly transfers: ReadonlyArray<TransferFact>
  readonly wallets: ReadonlyArray<WalletFact>
  readonly reservations: ReadonlyArray<ReservationFact>
  readonly seats: ReadonlyArray<SeatFact>
  readonly tokens: ReadonlyArray<TokenFact>
  readonly queues: ReadonlyArray<QueueFact>
  readonly events: ReadonlyArray<EventFact>
  /** The last batch whose events were to be delivered before the nodes ended. */
  readonly due: ReadonlyArray<{ readonly batch: number }>
  readonly verified: ReadonlyArray<VerifiedFact>
  readonly log: ReadonlyArray<LogFact>
}
export type FactTable = keyof Facts

const amount = (column: string) => `${column}::float8`

const statements = {
  transfers: `SELECT transfer_id AS id, kind, user_id AS user, ${amount("amount")} AS amount,
    ${amount("balance")} AS balance, version::int4, reservation_id AS reservation
    FROM boxoffice.transfer ORDER BY user_id, version`,
  wallets: `SELECT user_id AS user, ${amount("balance")} AS balance, version::int4
    FROM boxoffice.wallet`,
  reservations: `SELECT reservation_id AS id, user_id AS user, performance_id AS performance,
    (SELECT json_agg(held ->> 'seatId') FROM jsonb_array_elements(seats) held) AS seats,
    ${amount("amount")} AS amount, status, payment_id AS payment
    FROM boxoffice.reservation`,
  seats: `SELECT performance_id AS performance, seat_id AS seat, status,
    reservation_id AS reservation FROM boxoffice.seat`,
  tokens: `SELECT token_id AS id, queue_id AS queue, user_id AS user,
    CASE lane WHEN 0 THEN 'general' ELSE 'priority' END AS lane, number::int4, state
    FROM boxoffice.queue_token`,
  queues: `SELECT queue_id AS id, mode, max_active AS "maxActive",
    admit_per_minute AS "admitPerMinute" FROM boxoffice.queue`,
  events: `SELECT batch_id::int4 AS batch, position, event FROM boxoffice.outbox_event
    ORDER BY batch_id, position`
}

/** What the lines count of a run with TLS. */
export const encryptedConnections = "connections with TLS"

/** What a log of Postgres must not have, and what tells how bad the day was. */
const texts = ["deadlock detected", "PANIC", "No space left on device", "invalid page"]

export const readFacts = async (
  sql: Sql,
  url: string,
  logFile: string
): Promise<Omit<Facts, "due">> => {
  const facts: Record<string, ReadonlyArray<unknown>> = {}
  for (const [table, statement] of Object.entries(statements)) facts[table] = await sql(statement)
  const client = PgClient.layer({ url: Redacted.make(url), maxConnections: 1 })
  facts.verified = await Effect.runPromise(Effect.provide(Invariants.check(), client))
  const log = readFileSync(logFile, "utf8")
  facts.log = texts.map((text) => ({ text, count: log.split(text).length - 1 }))
  return facts as unknown as Omit<Facts, "due">
}
