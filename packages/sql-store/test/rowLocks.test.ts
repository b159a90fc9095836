/**
 * What each lock of a load is for. Another transaction has changed a row and not committed: a batch
 * that needs this row waits for it, and decides on the row as the other transaction left it.
 */
import type { TokenId } from "@boxoffice/core"
import { evolve, type LoadPlan, type Rows } from "@boxoffice/core/store"
import { expect, test } from "vitest"
import { SqlStore } from "../src/index.ts"
import { charge, hold, id, openDatabase, openSql, openStore, seedCatalog } from "./support.ts"

const codeHash = "c".repeat(64)

/** A queue with a waiting token of Ann's and a code, Ann's wallet and her hold of one seat. */
const openWorld = async () => {
  const database = await openDatabase()
  await seedCatalog(database)
  await charge(database, "ann", 1_000n)
  const reservationId = await hold(database, "ann", ["A-1"])
  const tokenId = id.token()
  await database.transact(
    (plan) => plan.queues.add(id.queue),
    (rows) => {
      const token = { tokenId, queueId: id.queue, userId: id.user("ann"), number: 1n }
      evolve(rows, { _tag: "QueueTokenIssued", ...token, at: rows.now })
      rows.addCodes([{ queueId: id.queue, codeHash, usesLeft: 5 }])
    }
  )
  // Of a store that waits for locks until the test has looked.
  const waits = { lockTimeoutMs: 55_000, statementTimeoutMs: 58_000, answerWithinMs: 60_000 }
  const { transact } = await openStore(SqlStore.layerUrl({ url: database.url, waits }))
  return { ...database, transact, reservationId, tokenId }
}
type World = Awaited<ReturnType<typeof openWorld>>

interface Lock {
  readonly title: string
  /** Changes the row, as another node or an operator could. */
  readonly change: string
  readonly plan: (plan: LoadPlan, world: World) => void
  /** What the batch then decides on. */
  readonly see: (rows: Rows, world: World) => unknown
  readonly changed: unknown
}

const locks: ReadonlyArray<Lock> = [
  {
    title: "a batch waits for a queue that another transaction is changing",
    change: "UPDATE boxoffice.queue SET mode = 'paused'",
    plan: (plan) => plan.queues.add(id.queue),
    see: (rows) => rows.queues.get(id.queue)!.mode,
    changed: "paused"
  },
  {
    title: "a batch waits for a queue token that another transaction is changing",
    change: "UPDATE boxoffice.queue_token SET state = 'left', ended_at = now()",
    plan: (plan, { tokenId }) => plan.tokens.add(tokenId),
    see: (rows, { tokenId }) => rows.tokens.get(tokenId)!.state,
    changed: "left"
  },
  {
    title: "a batch waits for a code that another transaction is changing",
    change: "UPDATE boxoffice.queue_code SET uses_left = 0",
    plan: (plan) => plan.codes.push({ queueId: id.queue, codeHash }),
    see: (rows) => rows.code(id.queue, codeHash)!.usesLeft,
    changed: 0
  },
  {
    title: "a batch waits for a wallet that another transaction is changing",
    change: `WITH spent AS (
        INSERT INTO boxoffice.transfer (transfer_id, kind, user_id, counter_account, amount,
          currency, version, balance, made_at)
        VALUES (gen_random_uuid(), 'charge', 'ann', 'cash', 5, 'KRW', 2, 1005, now()))
      UPDATE boxoffice.wallet SET balance = 1005, version = 2`,
    plan: (plan) => plan.wallets.add(id.user("ann")),
    see: (rows) => rows.wallets.get(id.user("ann"))!.balance,
    changed: 1_005n
  },
  {
    title: "a batch waits for a reservation that another transaction is changing",
    change: "UPDATE boxoffice.reservation SET hold_expires_at = '2100-01-01'",
    plan: (plan, { reservationId }) => plan.reservations.add(reservationId),
    see: (rows, { reservationId }) => rows.reservations.get(reservationId)!.holdExpiresAt,
    changed: Date.UTC(2100, 0)
  },
  {
    title: "a batch waits for a seat that another transaction is changing",
    change: "UPDATE boxoffice.seat SET price = 7 WHERE seat_id = 'A-2'",
    plan: (plan) => plan.addSeats(id.performance, ["A-2"]),
    see: (rows) => rows.seat(id.performance, id.seat("A-2"))!.price.amount,
    changed: 7n
  },
  {
    title: "a batch waits for a performance that another transaction is changing",
    change: "UPDATE boxoffice.performance SET time_zone = 'Europe/Oslo'",
    plan: (plan) => plan.performances.add(id.performance),
    see: (rows) => rows.storedPerformances.get(id.performance)!.timeZone,
    changed: "Europe/Oslo"
  }
]

/** Waits until a session waits for a lock, or `other` has ended without having to. */
const untilWaiting = async (sql: ReturnType<typeof openSql>, other: Promise<unknown>) => {
  let ended = false
  const end = () => {
    ended = true
  }
  other.then(end, end)
  while (!ended) {
    const waiting = await sql(`
      SELECT 1 FROM pg_stat_activity
      WHERE datname = current_database() AND wait_event_type = 'Lock'`)
    if (waiting.length > 0) return true
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  return false
}

test.each(locks)("$title", async (lock) => {
  const world = await openWorld()
  const other = openSql(world.url)
  await other("BEGIN")
  await other(lock.change)
  const seen = world.transact(
    (plan) => lock.plan(plan, world),
    (rows) => lock.see(rows, world)
  )
  const waits = await untilWaiting(world.sql, seen)
  await other("COMMIT")
  expect([waits, await seen]).toEqual([true, lock.changed])
})

/** The tokens that a batch of the queue loads for admission, or to end them. */
const loadedTokens = (world: World) => {
  const tokens = world.transact(
    (plan) => {
      plan.queues.add(id.queue)
      plan.addHeads(id.queue, { limit: 10 })
    },
    (rows) => Array.from(rows.tokens.values(), ({ tokenId }) => tokenId)
  )
  return tokens as Promise<ReadonlyArray<TokenId>>
}

test("the next user in line is not admitted while another transaction ends the token", async () => {
  const world = await openWorld()
  expect(await loadedTokens(world)).toEqual([world.tokenId])
  const other = openSql(world.url)
  await other("BEGIN")
  await other("UPDATE boxoffice.queue_token SET state = 'left', ended_at = now()")
  const loaded = loadedTokens(world)
  const waits = await untilWaiting(world.sql, loaded)
  await other("COMMIT")
  expect([waits, await loaded]).toEqual([false, []])
})

test("a lapsed token is left for later while another transaction extends it", async () => {
  const world = await openWorld()
  await world.sql(`UPDATE boxoffice.queue_token SET state = 'admitted', claimed = true,
    admitted_at = now(), expires_at = now()`)
  expect(await loadedTokens(world)).toEqual([world.tokenId])
  const other = openSql(world.url)
  await other("BEGIN")
  await other("UPDATE boxoffice.queue_token SET expires_at = now() + interval '1 hour'")
  const loaded = loadedTokens(world)
  const waits = await untilWaiting(world.sql, loaded)
  await other("COMMIT")
  expect([waits, await loaded]).toEqual([false, []])
})
