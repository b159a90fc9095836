/** What can be read of a store, in a form that two stores with other clocks and other ids share. */
import type { BoxOfficeStore, PerformanceId, ShowId, UserId } from "@boxoffice/core"
import { Effect } from "effect"
import type { CommittedRows } from "../../../core/src/testing/MemoryDatabase.ts"
import type { Sql } from "../support.ts"
import { consumer, endpoint, performanceId, queueId, userOf } from "./commands.ts"

/** Everything that the port reads. */
export const readStore = (store: BoxOfficeStore["Service"]) =>
  Effect.gen(function* () {
    const users = [0, 1, 2, 3].map((n) => userOf(n) as UserId)
    const page = { after: undefined, limit: 50 }
    const { dead, due, waiting } = store.deliveries
    const reading = yield* store.readQueue(queueId, 0n)
    return {
      queue: yield* store.queue(queueId),
      // They are counted by the second, and a second may end between the two stores.
      reading: {
        ...reading,
        admissions: reading?.admissions.reduce((sum, { admitted }) => sum + admitted, 0)
      },
      lapsed: yield* store.lapsed(50),
      seats: yield* store.seats(performanceId as PerformanceId),
      performances: yield* store.performances("gala" as ShowId),
      performance: yield* store.performance(performanceId as PerformanceId),
      reservations: yield* Effect.forEach(users, (user) => store.reservations(user, page)),
      wallets: yield* Effect.forEach(users, store.wallet),
      transfers: yield* Effect.forEach(users, (user) => store.transfers(user, page)),
      behind: (yield* store.outbox.consumers)
        .filter((each) => each.consumer === consumer)
        .map(({ batchesBehind }) => batchesBehind),
      waiting: Array.from(yield* waiting(endpoint)).sort(),
      due: (yield* due(endpoint, 50)).map(({ eventId }) => eventId).sort(),
      dead: yield* dead(endpoint, page)
    }
  }).pipe(Effect.orDie)

/** Of the rows that the port does not read: what they say apart from instants. */
export const rowsInMemory = (rows: CommittedRows) => ({
  tokens: rows.tokens
    .map((t) => [
      t.tokenId,
      t.userId,
      t.lane === "general" ? 0 : 1,
      `${t.number}`,
      t.state,
      t.claimed
    ])
    .sort(),
  granted: rows.grants.reduce((sum, { admitted }) => sum + admitted, 0),
  exits: rows.exits.map((e) => [`${e.exitId}`, e.exits]).sort(),
  departures: rows.departures
    .map((d) => [`${d.seq}`, d.lane === "general" ? 0 : 1, `${d.number}`])
    .sort(),
  codes: rows.codes.map(({ usesLeft }) => usesLeft),
  presence: rows.presence.length > 0,
  outcomes: rows.outcomes.map((o) => [o.commandId, o.userId, o.operation, o.fingerprint]).sort(),
  seats: rows.seats.map((s) => [s.seatId, s.ordinal, s.status, s.reservationId]).sort(),
  batches: rows.outbox.map(({ batchId }) => `${batchId}`).sort(),
  cleared: rows.cleared.map(({ kind }) => kind).sort()
})

export const rowsOnServer = async (sql: Sql) => {
  const list = async (statement: string) =>
    (await sql<{ row: ReadonlyArray<unknown> }>(statement)).map(({ row }) => row).sort()
  const number = async (statement: string) =>
    Number((await sql<{ row: number }>(statement))[0]!.row)
  return {
    tokens: await list(`SELECT json_build_array(token_id, user_id, lane, number::text, state,
      claimed) AS row FROM boxoffice.queue_token`),
    granted: await number(
      "SELECT coalesce(sum(admitted), 0)::int AS row FROM boxoffice.queue_grant"
    ),
    exits: await list(
      "SELECT json_build_array(exit_id::text, exits) AS row FROM boxoffice.queue_exit"
    ),
    departures: await list(`SELECT json_build_array(seq::text, lane, number::text) AS row
      FROM boxoffice.queue_departure`),
    codes: (
      await list("SELECT json_build_array(uses_left) AS row FROM boxoffice.queue_code")
    ).flat(),
    // Two that were noted in one minute are one row, and a minute may end between the two stores.
    presence: (await number("SELECT count(*)::int AS row FROM boxoffice.queue_presence")) > 0,
    outcomes:
      await list(`SELECT json_build_array(command_id, user_id, operation, fingerprint) AS row
      FROM boxoffice.command_outcome`),
    seats: await list(`SELECT json_build_array(seat_id, ordinal, status, reservation_id) AS row
      FROM boxoffice.seat`),
    batches: (
      await list("SELECT json_build_array(batch_id::text) AS row FROM boxoffice.outbox")
    ).flat(),
    cleared: (await list("SELECT json_build_array(kind) AS row FROM boxoffice.cleared")).flat()
  }
}

/** What depends on the speed of the test, on signatures, or on the ids of transactions. */
const left = new Set([
  "token",
  "asOf",
  "now",
  "pollAfterSeconds",
  "estimatedWait",
  "holdExpiresInSeconds",
  "retryAfterSeconds",
  "movedAt",
  // The engine does not read it of a queue that it has not locked.
  "presenceKept",
  // Counts the changes of the rows, and moving time forward in Postgres is one.
  "version"
])
const keptOf = new Set(["transfers"])

const quantumMs = 60_000

/** A value as a text: instants by how far they are from now. */
export const comparable = (value: unknown, now: number): string => {
  const instant = (at: number) => `${Math.round((at - now) / quantumMs) * (quantumMs / 1_000)} s`
  const plain = (of: unknown, within: string): unknown => {
    if (typeof of === "bigint") return `${of}n`
    if (of instanceof Date) return of.getFullYear() > 2090 ? "later" : instant(of.getTime())
    if (typeof of === "number") return of > 4e12 ? "later" : of > 1e12 ? instant(of) : of
    if (Array.isArray(of)) return of.map((each) => plain(each, within))
    if (of instanceof Map) return plain(Array.from(of), within)
    if (typeof of !== "object" || of === null) return of
    const fields = Object.entries(of)
      .filter(([name, field]) => field !== undefined && (!left.has(name) || keptOf.has(within)))
      .sort(([a], [b]) => (a < b ? -1 : 1))
    return Object.fromEntries(fields.map(([name, field]) => [name, plain(field, name)]))
  }
  return JSON.stringify(plain(value, ""), undefined, 1)
}
