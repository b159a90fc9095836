import { evolve } from "@boxoffice/core/store"
import { PgClient } from "@effect/sql-pg"
import { Effect, Redacted } from "effect"
import { expect, test } from "vitest"
import { Invariants, SqlStore } from "../src/index.ts"
import {
  charge,
  hold,
  type OpenStore,
  openDatabase,
  openSql,
  openStore,
  pay,
  refund,
  seedCatalog
} from "./support.ts"

// What the sweeper deletes on a real server: only rows that nothing needs, and without making a
// command wait.

const violations = (url: string) =>
  Effect.runPromise(
    Effect.provide(Invariants.check(), PgClient.layer({ url: Redacted.make(url) }))
  ).then((checks) => checks.filter(({ violations }) => violations > 0))

const release = ({ transact }: OpenStore, reservationId: Awaited<ReturnType<typeof hold>>) =>
  transact(
    (plan) => plan.reservations.add(reservationId),
    (rows) => {
      const { seats, performanceId, userId } = rows.reservations.get(reservationId)!
      const seatIds = seats.map(({ seatId }) => seatId)
      const at = rows.now
      evolve(rows, { _tag: "HoldReleased", reservationId, performanceId, userId, seatIds, at })
    }
  )

const ids = async (sql: ReturnType<typeof openSql>) =>
  (await sql<{ id: string }>("SELECT reservation_id AS id FROM boxoffice.reservation")).map(
    (row) => row.id
  )

test("reservations that were never paid are deleted; the ledger, and those that have a seat, stay", async () => {
  const database = await openDatabase()
  await seedCatalog(database)
  const { run, store, sql } = database
  await charge(database, "ann", 100_000n)
  const released = [await hold(database, "ann", ["A-1"]), await hold(database, "ann", ["A-2"])]
  for (const reservationId of released) await release(database, reservationId)
  const paid = await hold(database, "ann", ["A-3"])
  await pay(database, "ann", paid)
  const refunded = await hold(database, "ann", ["A-4"])
  await pay(database, "ann", refunded)
  await refund(database, "ann", refunded)
  const held = await hold(database, "ann", ["A-5"])
  // A row that the engine never writes: its end must not keep the others from being deleted.
  const odd = await hold(database, "ann", ["A-6"])
  await sql(`UPDATE boxoffice.reservation SET status = 'expired', ended_at = now()
    WHERE reservation_id = '${odd}'`)

  expect(await run(store.clearReservations(60_000, 100))).toBe(0)
  expect(await run(store.clearReservations(0, 1))).toBe(1)
  expect(await run(store.clearReservations(0, 100))).toBe(1)
  expect((await ids(sql)).sort()).toEqual([paid, refunded, held, odd].sort())
  expect(await violations(database.url)).toMatchObject([
    { meaning: "a seat belongs to a live reservation that names it", violations: 1 },
    { meaning: "a reservation is what its events say", violations: 1 }
  ])
})

test("clearing waits for no lock, and deletes the rest in the next run", async () => {
  const database = await openDatabase()
  await seedCatalog(database)
  const { run, store, sql } = database
  const released = [await hold(database, "ann", ["A-1"]), await hold(database, "ann", ["A-2"])]
  for (const reservationId of released) await release(database, reservationId)
  const raw = openSql(database.url)
  await raw("BEGIN")
  await raw(`SELECT FROM boxoffice.reservation WHERE reservation_id = '${released[0]}' FOR UPDATE`)
  expect(await run(store.clearReservations(0, 100))).toBe(1)
  await raw("COMMIT")
  expect(await run(store.clearReservations(0, 100))).toBe(1)
  expect(await ids(sql)).toEqual([])
})

test("two nodes that clear at once delete each row once", async () => {
  const database = await openDatabase()
  const { sql } = database
  await sql(`INSERT INTO boxoffice.command_outcome (command_id, user_id, operation, fingerprint,
      outcome, recorded_at)
    SELECT gen_random_uuid(), 'ann', 'pay', 'f', '{}', now() - interval '2 days'
    FROM generate_series(1, 2000)`)
  await sql(`INSERT INTO boxoffice.outbox (occurred_at, events)
    SELECT now() - interval '2 days', '[]' FROM generate_series(1, 2000)`)
  const nodes = [database, await openStore(SqlStore.layerUrl({ url: database.url }))]
  const day = 86_400_000
  const cleared = await Promise.all(
    Array.from({ length: 40 }, (_, turn) => {
      const { run, store } = nodes[turn % 2]!
      return run(turn % 4 < 2 ? store.clearOutcomes(day, 100) : store.outbox.prune(day, 100))
    })
  )
  const all = cleared.reduce((sum, count) => sum + count, 0)
  const [left] = await sql<{ count: number }>(`SELECT ((SELECT count(*) FROM boxoffice.outbox)
    + (SELECT count(*) FROM boxoffice.command_outcome))::int4 AS count`)
  expect(all + left!.count).toBe(4_000)
  expect(all).toBeGreaterThanOrEqual(200)
})

test("the database's clock alone decides how old an outcome is", async () => {
  const database = await openDatabase()
  const { run, store, sql } = database
  const record = (age: string) =>
    sql(`INSERT INTO boxoffice.command_outcome VALUES
      (gen_random_uuid(), 'ann', 'pay', 'f', '{}', clock_timestamp() - interval '${age}')`)
  await record("86399 seconds")
  await record("86401 seconds")
  expect(await run(store.clearOutcomes(86_400_000, 100))).toBe(1)
  expect(await run(store.clearOutcomes(86_400_000, 100))).toBe(0)
})

test("deleted old rows raise no false alarm, and rows lost beside them are reported", async () => {
  const database = await openDatabase()
  await seedCatalog(database)
  const { run, store, sql } = database
  await charge(database, "ann", 100_000n)
  await release(database, await hold(database, "ann", ["A-1"]))
  await pay(database, "ann", await hold(database, "ann", ["A-2"]))
  expect(await run(store.outbox.prune(0, 3))).toBe(3)
  expect(await run(store.clearReservations(0, 100))).toBe(1)
  await hold(database, "ann", ["A-3"])
  expect(await violations(database.url)).toEqual([])
  await hold(database, "ann", ["A-4"])
  await sql(
    "DELETE FROM boxoffice.outbox WHERE batch_id = (SELECT max(batch_id) FROM boxoffice.outbox)"
  )
  expect(await violations(database.url)).toMatchObject([
    { meaning: "one event for each change", violations: 1 },
    { meaning: "a reservation is what its events say", violations: 1 }
  ])
})

test("rows deleted after the clock stepped back raise no false alarm either", async () => {
  const database = await openDatabase()
  await seedCatalog(database)
  const { run, store, sql } = database
  await release(database, await hold(database, "ann", ["A-1"]))
  // As if the clock had been a minute ahead when the seats were held.
  await sql("UPDATE boxoffice.reservation SET ended_at = held_at - interval '1 minute'")
  expect(await run(store.clearReservations(0, 100))).toBe(1)
  expect(await violations(database.url)).toEqual([])
})
