/**
 * Conditions of single statements, each with the two rows or sessions that tell whether it is there.
 * Larger tests pass without them, since what they guard against is rare.
 */
import { randomUUID } from "node:crypto"
import type { BoxOfficeEvent } from "@boxoffice/core"
import { evolve } from "@boxoffice/core/store"
import { PgConnection } from "@effect/sql-pg"
import { Effect, Redacted } from "effect"
import { expect, test } from "vitest"
import { resolveCommit } from "../src/batch/commit.ts"
import { statementsFor } from "../src/batch/save/inTransaction.ts"
import { Host, SqlStore } from "../src/index.ts"
import { runQuery } from "../src/Query.ts"
import { schemaName } from "../src/schemaName.ts"
import {
  charge,
  hold,
  id,
  openDatabase,
  openPgPool,
  openSql,
  openStore,
  seedCatalog
} from "./support.ts"

test("only an attempt's own row proves its commit, and not another row of the same transaction id", async () => {
  const database = await openDatabase()
  const attemptId = randomUUID()
  const [other] = await database.sql<{ xid: string }>(`
    INSERT INTO boxoffice.outbox (occurred_at, events, attempt_id)
    VALUES (now(), '[]', gen_random_uuid()) RETURNING xid::text AS xid`)
  const status = (attempt: { attemptId: string; xid: string }) =>
    Effect.runPromise(
      Effect.scoped(
        Effect.flatMap(PgConnection.make({ url: Redacted.make(database.url) }), (connection) =>
          resolveCommit(schemaName("boxoffice"), attempt, (query) => runQuery(connection, query))
        )
      )
    )
  expect(await status({ attemptId, xid: other!.xid })).toBe("unknown")
  const [own] = await database.sql<{ xid: string }>(`
    INSERT INTO boxoffice.outbox (occurred_at, events, attempt_id)
    VALUES (now(), '[]', '${attemptId}') RETURNING xid::text AS xid`)
  expect(await status({ attemptId, xid: own!.xid })).toBe("committed")
})

test("clearing leaves tokens and letters that another session has locked for the next run", async () => {
  const { url, run, store, sql } = await openDatabase()
  await sql(`INSERT INTO boxoffice.queue (queue_id, max_active, admit_per_minute, claim_seconds,
      session_seconds, priority_share_percent, absence_seconds) VALUES ('q', 1, 1, 1, 1, 1, 0)`)
  await sql(`INSERT INTO boxoffice.queue_token (token_id, queue_id, user_id, number, state, claimed,
      joined_at, ended_at)
    SELECT gen_random_uuid(), 'q', 'user-' || n, n, 'left', false, now(), now()
    FROM generate_series(1, 2) n`)
  await sql(`INSERT INTO boxoffice.webhook_delivery (endpoint, event_id, aggregate, body, state,
      attempts, next_at, error, parked_at)
    SELECT 'crm', n || '-1', 'wallet/ada', '{}', 'dead', 1, now(), 'HTTP 500', now()
    FROM generate_series(1, 2) n`)
  const clear = () => run(Effect.all([store.clearTokens(0, 10), store.deliveries.clear(0, 10)]))
  const other = openSql(url)
  await other("BEGIN")
  await other("SELECT FROM boxoffice.queue_token WHERE number = 1 FOR UPDATE")
  await other("SELECT FROM boxoffice.webhook_delivery WHERE event_id = '1-1' FOR UPDATE")
  expect(await clear()).toEqual([1, 1])
  await other("COMMIT")
  expect(await clear()).toEqual([1, 1])
})

test("what was cleared up to is the latest instant of all that was cleared", async () => {
  const database = await openDatabase()
  const { run, store, sql } = database
  await seedCatalog(database)
  const cleared = async (endedAt: string) => {
    const reservationId = await hold(database, "ann", ["A-1"])
    await database.transact(
      (plan) => plan.reservations.add(reservationId),
      (rows) => {
        const { performanceId, userId } = rows.reservations.get(reservationId)!
        const seatIds = [id.seat("A-1")]
        const of = { reservationId, performanceId, userId, seatIds }
        evolve(rows, { _tag: "HoldReleased", ...of, at: rows.now })
      }
    )
    await sql(`UPDATE boxoffice.reservation SET held_at = '${endedAt}', ended_at = '${endedAt}'`)
    expect(await run(store.clearReservations(0, 10))).toBe(1)
    const [row] = await sql<{ at: Date }>(
      "SELECT up_to AS at FROM boxoffice.cleared WHERE kind = 'reservation'"
    )
    return row!.at.toISOString()
  }
  expect(await cleared("2020-01-02T00:00:00Z")).toBe("2020-01-02T00:00:00.000Z")
  expect(await cleared("2020-01-01T00:00:00Z")).toBe("2020-01-02T00:00:00.000Z")
  expect(await cleared("2020-01-03T00:00:00Z")).toBe("2020-01-03T00:00:00.000Z")
})

test("presence that two nodes note in one minute adds up", async () => {
  const database = await openDatabase()
  await seedCatalog(database)
  const sighting = (bit: number) => {
    const seen = new Uint8Array(512)
    seen[0] = 1 << bit
    return { lane: "general" as const, block: 0, seen }
  }
  for (const bit of [1, 2]) {
    await database.run(database.store.markSeen(id.queue, [sighting(bit)]))
  }
  // A minute may end between the two.
  const [sum] = await database.sql<{ count: number }>(
    "SELECT bit_count(bit_or(seen))::int4 AS count FROM boxoffice.queue_presence"
  )
  const rows = await database.sql("SELECT FROM boxoffice.queue_presence")
  expect([sum!.count, rows.length <= 2]).toEqual([2, true])
})

test("a code that is added again has the new number of uses", async () => {
  const database = await openDatabase()
  await seedCatalog(database)
  const codeHash = "c".repeat(64)
  for (const usesLeft of [3, 0]) {
    await database.transact(
      (plan) => plan.queues.add(id.queue),
      (rows) => rows.addCodes([{ queueId: id.queue, codeHash, usesLeft }])
    )
  }
  const rows = await database.sql("SELECT uses_left AS uses FROM boxoffice.queue_code")
  expect(rows).toEqual([{ uses: expect.anything() }])
  expect(Number(rows[0]!.uses)).toBe(0)
})

test("a host's function gives an array of statements, and not too many", async () => {
  const statement = { text: "SELECT 1" }
  const events: ReadonlyArray<BoxOfficeEvent> = []
  expect(statementsFor(() => Array(100).fill(statement), events)).toHaveLength(100)
  expect(() => statementsFor(() => Array(101).fill(statement), events)).toThrow(RangeError)
  expect(() => statementsFor(() => Promise.resolve([statement]) as never, events)).toThrow(
    /must return an array of statements/
  )
})

test("a reservation that was paid for nothing, and refunded, is no reason to stop clearing", async () => {
  const { run, store, sql } = await openDatabase()
  // No transfer shows that it was paid, and the schema keeps it: it must not even be tried.
  await sql(`INSERT INTO boxoffice.reservation (reservation_id, performance_id, user_id, seats,
      amount, currency, status, held_at, hold_expires_at, confirmed_at, payment_id, ended_at)
    VALUES (gen_random_uuid(), 'p', 'ann', '[{"seatId": "A-1"}]', 0, 'KRW', 'cancelled', now(),
      now() + interval '1 hour', now(), gen_random_uuid(), now())`)
  expect(await run(store.clearReservations(0, 10))).toBe(0)
})

test("a host's pool of another isolation level runs batches as READ COMMITTED", async () => {
  const database = await openDatabase()
  const name = new URL(database.url).pathname.slice(1)
  await database.sql("CREATE TABLE public.seen (level text)")
  await database.sql(
    `ALTER DATABASE "${name}" SET default_transaction_isolation = 'repeatable read'`
  )
  const text = "INSERT INTO public.seen SELECT current_setting('transaction_isolation')"
  const pool = Host.pg(openPgPool(database.url))
  const node = await openStore(SqlStore.layerPool(pool, { inTransaction: () => [{ text }] }))
  await charge(node, "ann", 1n)
  expect(await database.sql("SELECT level FROM public.seen")).toEqual([{ level: "read committed" }])
})
