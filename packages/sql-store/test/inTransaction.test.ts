/** Rows of the host's own, in the transaction of a batch. */
import type { BoxOfficeEvent } from "@boxoffice/core"
import { evolve } from "@boxoffice/core/store"
import { expect, test } from "vitest"
import { type InTransaction, SqlStore } from "../src/index.ts"
import {
  charge,
  chargedEvent,
  emptyDatabase,
  id,
  openSql,
  openStore,
  untilSomeoneWaits
} from "./support.ts"

const open = async (inTransaction: InTransaction) => {
  const url = await emptyDatabase()
  const sql = openSql(url)
  await sql("CREATE TABLE public.spent (user_id text PRIMARY KEY, total int8 NOT NULL)")
  const opened = await openStore(SqlStore.layerUrl({ url, migrate: true, inTransaction }))
  return { ...opened, sql, url }
}

const text = `
  INSERT INTO public.spent SELECT user_id, sum(amount)
  FROM json_to_recordset($1::json) AS charged (user_id text, amount int8) GROUP BY user_id
  ON CONFLICT (user_id) DO UPDATE SET total = spent.total + excluded.total`

const addUp: InTransaction = (events) => {
  const charged = events.flatMap((event) =>
    event._tag === "WalletCharged"
      ? [{ user_id: event.userId, amount: event.amount.amount.toString() }]
      : []
  )
  return [{ text, params: [JSON.stringify(charged)] }]
}

test("the host's rows are committed with the batch's", async () => {
  const database = await open(addUp)
  await database.transact(
    (plan) => plan.wallets.add(id.user("ann")).add(id.user("bob")),
    (rows) => {
      evolve(rows, chargedEvent(rows, "ann", 1n))
      evolve(rows, chargedEvent(rows, "ann", 2n))
      evolve(rows, chargedEvent(rows, "bob", 2n ** 60n))
    }
  )
  expect(await database.sql("SELECT * FROM public.spent ORDER BY user_id")).toEqual([
    { user_id: "ann", total: 3n },
    { user_id: "bob", total: 2n ** 60n }
  ])
})

test("a batch without events does not call inTransaction", async () => {
  let calls = 0
  const database = await open(() => {
    calls++
    return []
  })
  await database.transact(
    (plan) => plan.wallets.add(id.user("ann")),
    () => {}
  )
  expect(calls).toBe(0)
  await charge(database, "ann", 1n)
  expect(calls).toBe(1)
})

test("a retry calls inTransaction again, and its rows count once", async () => {
  const seen: Array<ReadonlyArray<BoxOfficeEvent>> = []
  const database = await open((events) => {
    seen.push(events)
    return addUp(events)
  })
  // Another node makes the wallet first: this batch finds it there, and runs again.
  const other = openSql(database.url)
  await other("BEGIN")
  await other(`INSERT INTO boxoffice.wallet VALUES ('ann', 'KRW', 5, 1)`)
  await other(`INSERT INTO boxoffice.transfer (transfer_id, kind, user_id, counter_account, amount,
    currency, version, balance, made_at)
    VALUES (gen_random_uuid(), 'charge', 'ann', 'cash', 5, 'KRW', 1, 5, now())`)
  const charging = charge(database, "ann", 7n)
  await untilSomeoneWaits(database.url)
  await other("COMMIT")
  await charging
  expect(seen).toHaveLength(2)
  expect(await database.sql("SELECT * FROM public.spent")).toEqual([{ user_id: "ann", total: 7n }])
})

// An unhandled rejection fails the run.
const rejecting = async () => {
  throw new Error("a bug of the host")
}

test.each<[string, InTransaction]>([
  ["a statement that fails", () => [{ text: "INSERT INTO public.spent VALUES ('ann', NULL)" }]],
  ["a statement that cannot be read", () => [{ text: "INSERT nothing" }]],
  ["a function that throws", () => JSON.parse("{")],
  ["a promise", (async () => []) as unknown as InTransaction],
  [
    "a promise among the params, which rejects",
    () => [{ text: "SELECT $1::text", params: [rejecting() as never] }]
  ],
  [
    "a promise for the params, which rejects",
    () => [{ text: "SELECT 1", params: rejecting() as never }]
  ],
  ["a promise within a statement", () => [{ text: 1, deep: [{ deeper: rejecting() }] } as never]],
  ["no end of statements", () => Array.from({ length: 101 }, () => ({ text: "SELECT 1" }))]
])("%s leaves nothing of the batch, and the next one is none the worse", async (_, hook) => {
  let failing = true
  const database = await open((events) => (failing ? hook(events) : addUp(events)))
  await expect(charge(database, "ann", 1n)).rejects.toThrow()
  expect(await database.sql("SELECT FROM boxoffice.wallet")).toEqual([])
  expect(await database.sql("SELECT FROM boxoffice.outbox")).toEqual([])
  failing = false
  await charge(database, "ann", 2n)
  expect(await database.sql("SELECT * FROM public.spent")).toEqual([{ user_id: "ann", total: 2n }])
})
