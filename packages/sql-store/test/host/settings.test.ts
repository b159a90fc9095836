/** Settings that a host may change in its transaction, or in its database for every session. */
import { PgClient } from "@effect/sql-pg"
import { Effect, Redacted } from "effect"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { Doctor, SqlStore } from "../../src/index.ts"
import * as support from "../support.ts"
import { hosts, type OpenHost } from "./hosts.ts"
import { charge, hold, openWorld, price, type World } from "./world.ts"

let world: World
beforeAll(async () => {
  world = await openWorld(200)
  const [{ major } = { major: 0 }] = await world.query<{ major: number }>(
    "SELECT current_setting('server_version_num')::int4 / 10000 AS major"
  )
  // Their names differ.
  everywhere.push(
    `${major < 16 ? "force" : "debug"}_parallel_${major < 16 ? "mode" : "query"} = on`
  )
}, 60_000)
afterAll(() => world.close())

let names = 0
const next = (name: string) => `${name}-${++names}`
let seats = 0
const nextSeat = () => `A${++seats}`

/** Whatever each of them changes, the engine does not depend on it. */
const everywhere = [
  "array_nulls = off",
  "TimeZone = 'Asia/Kathmandu'",
  "DateStyle = 'SQL, DMY'",
  "IntervalStyle = 'sql_standard'",
  "bytea_output = 'escape'",
  "standard_conforming_strings = off",
  "escape_string_warning = on",
  "backslash_quote = off",
  "extra_float_digits = -15",
  "transform_null_equals = on",
  "quote_all_identifiers = on",
  "check_function_bodies = off",
  "row_security = off",
  "search_path = 'nowhere'",
  "client_encoding = 'unicode'",
  "xmloption = 'document'",
  "lock_timeout = '20s'",
  "statement_timeout = '40s'",
  "idle_in_transaction_session_timeout = '40s'",
  "default_transaction_read_only = on",
  "default_transaction_isolation = 'serializable'",
  "plan_cache_mode = 'force_custom_plan'",
  "constraint_exclusion = on",
  "enable_indexscan = off",
  "enable_bitmapscan = off",
  "enable_nestloop = off",
  "enable_sort = off",
  "enable_hashagg = off",
  "enable_material = off",
  "from_collapse_limit = 1",
  "join_collapse_limit = 1",
  "geqo_threshold = 2",
  "jit = off",
  "cursor_tuple_fraction = 1",
  "synchronous_commit = off",
  "client_min_messages = 'error'",
  "plpgsql.variable_conflict = 'use_column'",
  "plpgsql.extra_errors = 'all'"
]

/** A user from the queue to a refund, with what every table of the engine is written with. */
const visit = async (engine: <A, E>(effect: Effect.Effect<A, E>) => Promise<A>, user: string) => {
  const { office } = world
  await engine(office.queue.join({ queueId: "main", userId: user, idempotencyKey: next("key") }))
  await engine(charge(world, user, 2n * price.amount, next("key")))
  await engine(charge(world, user, 1n))
  const seatIds = [nextSeat(), nextSeat()]
  const { reservationId } = await engine(hold(world, user, ...seatIds))
  const payment = await engine(office.payments.pay({ userId: user, reservationId }))
  await expect(engine(hold(world, next("other"), seatIds[0]!))).rejects.toMatchObject({
    _tag: "SeatUnavailable"
  })
  await engine(office.payments.refund({ paymentId: payment.paymentId }))
  const again = await engine(hold(world, user, ...seatIds))
  await engine(office.payments.pay({ userId: user, reservationId: again.reservationId }))
  const { items } = await engine(office.wallet.entries({ userId: user }))
  return items.map(({ kind, balance }) => [kind, balance.amount])
}
const visited = [
  ["payment", 1n],
  ["refund", 10_001n],
  ["payment", 1n],
  ["charge", 10_001n],
  ["charge", 10_000n]
]

describe.each(Object.entries(hosts))("%s", (_, open) => {
  let host: OpenHost
  beforeAll(async () => {
    host = await open(world.url)
  }, 60_000)
  afterAll(() => host.close())

  test("constraints that are immediate, and all settings at once", async () => {
    const user = next("ann")
    const seen = await host.transaction(async ({ query, engine }) => {
      await query("SET CONSTRAINTS ALL IMMEDIATE")
      for (const setting of everywhere) await query(`SET LOCAL ${setting}`)
      return visit(engine, user)
    })
    expect(seen).toEqual(visited)
    expect(await world.traces(user, "")).toEqual([0, 2, 5])
  })

  test.each([
    ["session_replication_role = replica", "unguarded"],
    ["client_encoding = 'LATIN1'", "encoding"]
  ])("%s is refused by name", async (setting, reason) => {
    const user = next("ann")
    await host.transaction(async ({ query, engine }) => {
      await query(`SET LOCAL ${setting}`)
      await expect(engine(charge(world, user, 1n))).rejects.toMatchObject({
        _tag: "HostTransactionRefused",
        reason
      })
    })
    expect(await world.traces(user, "")).toEqual([0, 0, 0])
  })
})

test("the same settings of a database, on the engine's own connections", async () => {
  const url = await support.emptyDatabase()
  const sql = support.openSql(url)
  const database = new URL(url).pathname.slice(1)
  for (const setting of everywhere) {
    // Read-only is refused, and the doctor reports it.
    if (!setting.startsWith("default_transaction_read_only")) {
      await sql(`ALTER DATABASE ${database} SET ${setting}`)
    }
  }
  const opened = await support.openStore(SqlStore.layerUrl({ url, migrate: true }))
  await support.seedCatalog(opened)
  await support.charge(opened, "ann", 10_000n)
  const reservationId = await support.hold(opened, "ann", ["A-1", "A-2"])
  await support.pay(opened, "ann", reservationId)
  await support.refund(opened, "ann", reservationId)
  const wallet = await opened.run(opened.store.wallet(support.id.user("ann")))
  expect(wallet).toMatchObject({ balance: 10_000n, version: 3 })
  const { reservations } = await opened.run(opened.store.reservation(reservationId))
  expect(reservations[0]).toMatchObject({ status: "cancelled" })
  const client = PgClient.layer({ url: Redacted.make(url), maxConnections: 1 })
  const { findings } = await Effect.runPromise(Effect.provide(Doctor.examine(), client))
  expect(findings.filter(({ code }) => !/^(role|setting)_/.test(code))).toEqual([])
})
