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

/** Operations whose fingerprint contains an instant, which differs between the clocks of the stores. */
const namesInstant = new Set(["createQueue", "rescheduleQueue"])

interface Told {
  readonly _tag: string
  readonly tokenId?: string
}

/** The events of the batches, in their order. Time does not move the openings that they tell of. */
const eventsOf = (batches: ReadonlyArray<readonly [number, string]>) =>
  batches
    .toSorted(([a], [b]) => a - b)
    .map(([, events]) =>
      JSON.parse(events, (name, value) =>
        name === "opensAt" || (name === "before" && typeof value === "number")
          ? "an instant"
          : value
      )
    )
    .map(anyOrderOfLapses)

/** The order in which tokens of one instant lapse is open. */
const anyOrderOfLapses = (events: ReadonlyArray<Told>) => {
  const lapses = events.filter(({ _tag }) => _tag === "QueueTokenLapsed")
  const sorted = lapses.toSorted((a, b) => (a.tokenId! < b.tokenId! ? -1 : 1)).values()
  return events.map((event) => (event._tag === "QueueTokenLapsed" ? sorted.next().value : event))
}

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
  codes: rows.codes.map(({ codeHash, usesLeft }) => [codeHash, usesLeft]).sort(),
  presence: rows.presence.length > 0,
  outcomes: rows.outcomes
    .map((o) => [
      o.commandId,
      o.userId,
      o.operation,
      namesInstant.has(o.operation) ? "" : o.fingerprint
    ])
    .sort(),
  seats: rows.seats.map((s) => [s.seatId, s.ordinal, s.status, s.reservationId]).sort(),
  batches: rows.outbox.map(({ batchId }) => `${batchId}`).sort(),
  events: eventsOf(rows.outbox.map(({ batchId, events }) => [Number(batchId), events])),
  cleared: rows.cleared.map(({ kind }) => kind).sort()
})

type Lists = Readonly<Record<string, ReadonlyArray<ReadonlyArray<unknown>>>>

/** The same, in one statement. */
export const rowsOnServer = async (sql: Sql) => {
  const names = Array.from(namesInstant, (name) => `'${name}'`).join()
  const lists = {
    tokens: ["token_id, user_id, lane, number::text, state, claimed", "queue_token"],
    granted: ["admitted", "queue_grant"],
    exits: ["exit_id::text, exits", "queue_exit"],
    departures: ["seq::text, lane, number::text", "queue_departure"],
    codes: ["code_hash, uses_left", "queue_code"],
    presence: ["block", "queue_presence"],
    outcomes: [
      `command_id, user_id, operation,
        CASE WHEN operation IN (${names}) THEN '' ELSE fingerprint END`,
      "command_outcome"
    ],
    seats: ["seat_id, ordinal, status, reservation_id", "seat"],
    outbox: ["batch_id::int, events::text", "outbox"],
    cleared: ["kind", "cleared"]
  }
  const columns = Object.entries(lists).map(
    ([name, [columns, table]]) => `(SELECT coalesce(json_agg(json_build_array(${columns})), '[]')
      FROM boxoffice.${table}) AS ${name}`
  )
  const [found] = await sql<Lists>(`SELECT ${columns.join()}`)
  const { granted, codes, presence, outbox, cleared, ...others } = found!
  const batches = outbox as unknown as ReadonlyArray<readonly [number, string]>
  return {
    ...Object.fromEntries(Object.entries(others).map(([name, rows]) => [name, rows.toSorted()])),
    granted: granted!.reduce((sum, [admitted]) => sum + Number(admitted), 0),
    codes: codes!.toSorted(),
    // Two that were noted in one minute are one row, and a minute may end between the two stores.
    presence: presence!.length > 0,
    batches: batches.map(([batchId]) => `${batchId}`).sort(),
    events: eventsOf(batches),
    cleared: cleared!.flat().sort()
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
