import type { ReservationId } from "@boxoffice/core"
import { evolve, LoadPlan } from "@boxoffice/core/store"
import { PgConnection } from "@effect/sql-pg"
import { Effect, Metric, Redacted } from "effect"
import { expect, test } from "vitest"
import { begin, forceIndexPlans } from "../src/batch/load/begin.ts"
import { lockHoldings } from "../src/batch/load/holdings.ts"
import { lockQueues } from "../src/batch/load/queues.ts"
import { lockReservations } from "../src/batch/load/reservations.ts"
import { lockSeats } from "../src/batch/load/seats.ts"
import { lockHeads, lockTokens } from "../src/batch/load/tokens.ts"
import { readUnpaid } from "../src/batch/load/unpaid.ts"
import { lockWallets } from "../src/batch/load/wallets.ts"
import { batchRetries } from "../src/batch/transact.ts"
import { defaultWaits } from "../src/connection/waits.ts"
import { SqlStore } from "../src/index.ts"
import { type Query, runQuery } from "../src/Query.ts"
import { schemaName } from "../src/schemaName.ts"
import {
  charge,
  chargedEvent,
  heldEvent,
  hold,
  id,
  openDatabase,
  openSql,
  openStore,
  planFor,
  seedCatalog,
  untilSomeoneWaits
} from "./support.ts"

const retries = () => Effect.runSync(Metric.value(batchRetries)).count

test("rows are sorted before they are locked, in every statement that locks", async () => {
  const { url } = await openDatabase()
  const schema = schemaName("boxoffice")
  const plan = planFor((plan) => {
    plan.queues.add(id.queue)
    plan.tokens.add(id.token()).add(id.token())
    plan.reservations.add(id.reservation()).add(id.reservation())
    plan.seats.push({ performanceId: id.performance, seatIds: [id.seat("b"), id.seat("a")] })
  })
  const users = [id.user("b"), id.user("a")]
  const queries = {
    queues: lockQueues(schema)([id.queue, "b" as never]),
    tokens: lockTokens(schema)(plan),
    wallets: lockWallets(schema)(users),
    reservations: lockReservations(schema)(plan),
    seats: lockSeats(schema)(plan)
  }
  for (const [name, { sql, params }] of Object.entries(queries)) {
    const plan = await Effect.runPromise(
      Effect.scoped(
        Effect.flatMap(PgConnection.make({ url: Redacted.make(url) }), (connection) =>
          // The order in which a scan happens to return rows is not reliable.
          Effect.andThen(
            connection.query("SET enable_indexscan = off"),
            runQuery(connection, {
              sql: `EXPLAIN (COSTS off) ${sql}`,
              params,
              read: (rows) => rows.map(([line]) => line as string)
            })
          )
        )
      )
    )
    const below = plan.find((line) => line.startsWith("  ->"))
    expect.soft([plan[0], below], name).toEqual(["LockRows", "  ->  Sort"])
  }
})

test("joining users are looked up by key, also if planned while the table is new", async () => {
  const { url } = await openDatabase()
  const loadPlan = planFor((plan) => {
    plan.queues.add(id.queue)
    for (let i = 0; i < 100; i++) {
      plan.liveTokensOf.push({ queueId: id.queue, userId: id.user(`user-${i}`) })
    }
    const numbers = Array.from({ length: 100 }, (_, i) => BigInt(i + 1))
    plan.addHeads(id.queue, { limit: 100, drawn: { numbers, upTo: 100n } })
  })
  const schema = schemaName("boxoffice")
  const queries = [lockTokens(schema)(loadPlan), lockHeads(schema)(loadPlan.heads)]
  const plan = await Effect.runPromise(
    Effect.scoped(
      Effect.gen(function* () {
        const connection = yield* PgConnection.make({ url: Redacted.make(url) })
        yield* runQuery(connection, begin)
        yield* runQuery(connection, forceIndexPlans(defaultWaits))
        const plans = yield* Effect.forEach(queries, ({ sql, params }) =>
          runQuery(connection, {
            sql: `EXPLAIN (COSTS off) ${sql}`,
            params,
            read: (rows) => rows.map(([line]) => line as string)
          })
        )
        return plans.flat()
      })
    )
  )
  const conditions = plan.filter((line) => line.includes("Index Cond:"))
  // Neither reads all tokens of the queue to find the named ones.
  expect(conditions).toContainEqual(
    expect.stringMatching(/queue_id = member\.queue_id.*user_id = member\.user_id/)
  )
  expect(conditions).toContainEqual(expect.stringMatching(/number = drawn\.number/))
})

test("two nodes that name the same rows in opposite orders never deadlock", {
  timeout: 60_000
}, async () => {
  const database = await openDatabase()
  await seedCatalog(database, { seats: 20 })
  const other = await openStore(SqlStore.layerUrl({ url: database.url }))
  const users = Array.from({ length: 20 }, (_, index) => `user-${index}`)
  for (const user of users) await charge(database, user, 1_000n)
  const reservations: Array<ReservationId> = []
  for (const [index, user] of users.entries()) {
    if (index < 10) reservations.push(await hold(database, user, [`A-${index + 1}`]))
  }
  const tokens = users.map(id.token)
  await database.transact(
    (plan) => plan.queues.add(id.queue),
    (rows) => {
      for (const [index, user] of users.entries()) {
        const token = { tokenId: tokens[index]!, queueId: id.queue, userId: id.user(user) }
        const { nextNumber } = rows.queues.get(id.queue)!
        evolve(rows, { _tag: "QueueTokenIssued", number: nextNumber, at: rows.now, ...token })
      }
    }
  )
  const before = retries()
  const shuffled = <A>(list: ReadonlyArray<A>, turn: number): ReadonlyArray<A> => {
    const start = (turn * 7) % list.length
    const turned = [...list.slice(start), ...list.slice(0, start)]
    return turn % 2 === 0 ? turned : turned.reverse()
  }
  const batch = (turn: number) => {
    const node = turn % 4 < 2 ? database : other
    return node.transact(
      (plan) => {
        // Each kind of batch that there is, and mixtures of them.
        if (turn % 3 === 0) plan.queues.add(id.queue)
        for (const token of shuffled(tokens, turn).slice(0, 8)) plan.tokens.add(token)
        for (const user of shuffled(users, turn).slice(0, 8)) {
          plan.wallets.add(id.user(user))
          plan.seatCounts.push({ performanceId: id.performance, userId: id.user(user) })
        }
        for (const each of shuffled(reservations, turn).slice(0, 4)) plan.reservations.add(each)
        const seats = Array.from({ length: 20 }, (_, index) => `A-${index + 1}`)
        plan.addSeats(id.performance, shuffled(seats, turn).slice(0, 8))
      },
      (rows) => {
        for (const wallet of Array.from(rows.wallets.values())) {
          evolve(rows, chargedEvent(rows, wallet.userId, 1n))
        }
      }
    )
  }
  await Promise.all(Array.from({ length: 400 }, (_, turn) => batch(turn)))
  expect(retries() - before).toBe(0)
  const [sum] = await database.sql<{ sum: bigint }>(
    "SELECT sum(balance)::int8 AS sum FROM boxoffice.wallet"
  )
  expect(sum!.sum).toBe(20_000n + 400n * 8n)
})

test("the clock is read after the locks: a hold that lapsed while they waited has lapsed", async () => {
  const database = await openDatabase()
  await seedCatalog(database)
  await hold(database, "ann", ["A-1"], 200)
  const raw = openSql(database.url)
  await raw("BEGIN")
  await raw("SELECT FROM boxoffice.seat WHERE seat_id = 'A-1' FOR UPDATE")
  const late = database.transact(
    (plan) => plan.addSeats(id.performance, ["A-1"]),
    (rows) => rows.now - rows.seat(id.performance, id.seat("A-1"))!.heldUntil!
  )
  await untilSomeoneWaits(database.url)
  // The hold lapses while the batch waits.
  await raw(`SELECT pg_sleep(greatest(0, extract(epoch FROM held_until - clock_timestamp())))
    FROM boxoffice.seat WHERE seat_id = 'A-1'`)
  await raw("COMMIT")
  expect(await late).toBeGreaterThanOrEqual(0)
})

test("a read of a token waits for no lock, and sees earlier commits", async () => {
  const database = await openDatabase()
  await seedCatalog(database)
  const tokenId = id.token()
  await database.sql(`
    INSERT INTO boxoffice.queue_token (token_id, queue_id, user_id, number, state, claimed,
      joined_at, admitted_at, expires_at)
    VALUES ('${tokenId}', 'q', 'ann', 1, 'admitted', true, now(), now(), now() + interval '1 hour')`)
  const look = () =>
    database.transact(
      (plan) => {
        plan.tokensToRead.add(tokenId)
        plan.addSeats(id.performance, ["A-1"])
      },
      (rows) => rows.token(tokenId)?.state
    )
  const raw = openSql(database.url)
  await raw("BEGIN")
  await raw("UPDATE boxoffice.queue_token SET state = 'left', ended_at = now()")
  expect(await look()).toBe("admitted")
  await raw("COMMIT")
  expect(await look()).toBe("left")
})

test("a count behind a lock includes commits while it waited, whatever the default level", async () => {
  const database = await openDatabase()
  await seedCatalog(database)
  const name = new URL(database.url).pathname.slice(1)
  await database.sql(
    `ALTER DATABASE "${name}" SET default_transaction_isolation = 'repeatable read'`
  )
  const late = await openStore(SqlStore.layerUrl({ url: database.url }))
  const raw = openSql(database.url)
  // The other node: it holds the lock for giving Ann seats, and gives her one.
  const lock = lockHoldings(schemaName("boxoffice"))(
    Array.from({ length: 257 }, (_, index) => ({
      performanceId: id.performance,
      userId: id.user(`other-${index}`)
    }))
  )
  await raw("BEGIN ISOLATION LEVEL READ COMMITTED")
  await raw(lock.sql.replace("$1::text[]", "'{p}'::text[]"))
  const seen = late.transact(
    (plan) => plan.seatCounts.push({ performanceId: id.performance, userId: id.user("ann") }),
    (rows) => rows.seatsOf(id.performance, id.user("ann"))
  )
  await untilSomeoneWaits(database.url)
  await raw(`
    INSERT INTO boxoffice.reservation (reservation_id, performance_id, user_id, seats, amount,
      currency, status, held_at, hold_expires_at)
    VALUES (gen_random_uuid(), 'p', 'ann', '[{"seatId": "A-1"}]', 1, 'KRW', 'held', now(),
      now() + interval '1 hour')`)
  await raw("COMMIT")
  expect(await seen).toBe(1)
})

/** How the server runs a statement that it planned while the tables were new. */
const planOf = async (query: Query<unknown>) => {
  const database = await openDatabase()
  return Effect.runPromise(
    Effect.scoped(
      Effect.flatMap(PgConnection.make({ url: Redacted.make(database.url) }), (connection) =>
        Effect.andThen(
          runQuery(connection, forceIndexPlans(defaultWaits)),
          runQuery(connection, {
            ...query,
            sql: `EXPLAIN (COSTS off) ${query.sql}`,
            read: (rows) => rows.map(([line]) => line as string).join("\n")
          })
        )
      )
    )
  )
}

test("a user's holds are found by user, also if planned while the table was new", async () => {
  const plan = await planOf(
    lockReservations(schemaName("boxoffice"))({
      reservations: new Set(),
      seatCounts: [{ performanceId: id.performance, userId: id.user("ann") }]
    })
  )
  const condition = plan.match(/Index Scan using reservation_holdings.*\n *Index Cond: (.*)/)?.[1]
  expect(condition).toMatch(/performance_id = .*user_id = .*>= ROW.*<= ROW/)
})

test("so are a user's unpaid holds", async () => {
  const loadPlan = new LoadPlan()
  loadPlan.addUnpaidOf(id.user("ann"), id.queue)
  const plan = await planOf(readUnpaid(schemaName("boxoffice"))(loadPlan))
  const condition = plan.match(/Index Scan using reservation_unpaid.*\n *Index Cond: (.*)/)?.[1]
  expect(condition).toMatch(/ = payer.user_id/)
})

test("two nodes never give a user more seats than allowed, in small batches and in large", async () => {
  const database = await openDatabase()
  await seedCatalog(database, { seats: 400 })
  const nodes = [database, await openStore(SqlStore.layerUrl({ url: database.url }))]
  const holdings = (batch: number) =>
    Array.from({ length: batch }, (_, index) => `user-${index}`).map((user) => ({
      performanceId: id.performance,
      userId: id.user(user)
    }))
  // Ann may have three seats. Every batch asks for one more, on a seat of its own.
  const attempt = (turn: number) =>
    nodes[turn % 2]!.transact(
      (plan) => {
        plan.addSeats(id.performance, [`A-${turn + 1}`])
        plan.seatCounts.push({ performanceId: id.performance, userId: id.user("ann") })
        if (turn % 4 > 1) plan.seatCounts.push(...holdings(300))
      },
      (rows) => {
        if (rows.seatsOf(id.performance, id.user("ann")) >= 3) return false
        evolve(rows, heldEvent(rows, id.reservation(), "ann", [`A-${turn + 1}`]))
        return true
      }
    )
  const answers = await Promise.all(Array.from({ length: 40 }, (_, turn) => attempt(turn)))
  expect(answers.filter(Boolean)).toHaveLength(3)
})

test("concurrency above the pool's size finishes, on the smallest pool there is", async () => {
  const database = await openDatabase({ maxConnections: 2 })
  await charge(database, "ann", 1n)
  const { store, run } = database
  const all = Array.from({ length: 200 }, (_, turn) =>
    turn % 2 === 0
      ? charge(database, "ann", 1n)
      : run(store.wallet(id.user("ann"))).then(() => undefined)
  )
  await Promise.all(all)
  expect((await run(store.wallet(id.user("ann"))))!.balance).toBe(101n)
})

test("each row of a plan that another transaction has locked is found, and no other", async () => {
  const database = await openDatabase()
  await seedCatalog(database, { seats: 4 })
  await charge(database, "ann", 1_000n)
  const reservationId = await hold(database, "ann", ["A-1"])
  const tokenId = id.token()
  await database.transact(
    (plan) => plan.queues.add(id.queue),
    (rows) => {
      const issued = {
        tokenId,
        queueId: id.queue,
        userId: id.user("ann"),
        number: 1n,
        at: rows.now
      }
      evolve(rows, { _tag: "QueueTokenIssued", ...issued })
      rows.addCodes([{ queueId: id.queue, codeHash: "c".repeat(64), usesLeft: 1 }])
    }
  )
  const plan = planFor((plan) => {
    plan.queues.add(id.queue).add("other" as never)
    plan.tokens.add(tokenId)
    plan.liveTokensOf.push({ queueId: id.queue, userId: id.user("ann") })
    plan.codes.push({ queueId: id.queue, codeHash: "c".repeat(64) })
    plan.wallets.add(id.user("ann")).add(id.user("bob"))
    plan.addSeatCount(id.performance, id.user("ann"))
    plan.addReservation(reservationId)
    plan.addSeats(id.performance, ["A-2", "A-3"])
    plan.performances.add(id.performance)
  })
  const locked = async () =>
    Array.from(
      (await database.run(database.store.lockedRows(plan))).keys(),
      (key) => key.split("\n")[0]
    )
  expect(await locked()).toEqual([])
  const lockedBy = async (statement: string) => {
    const other = openSql(database.url)
    await other("BEGIN")
    await other(statement)
    const found = await locked()
    await other("ROLLBACK")
    return found.sort()
  }
  const row = (table: string, condition = "true") =>
    lockedBy(`SELECT 1 FROM boxoffice.${table} WHERE ${condition} FOR UPDATE`)
  expect(await row("queue")).toEqual(["queue"])
  expect(await row("queue_token")).toEqual(["liveToken", "token"])
  expect(await row("queue_code")).toEqual(["code"])
  expect(await row("wallet", "user_id = 'ann'")).toEqual(["wallet"])
  expect(await row("seat", "seat_id = 'A-2'")).toEqual(["seat"])
  // The seat of a reservation, which is locked with it.
  expect(await row("seat", "seat_id = 'A-1'")).toContain("reservation")
  expect(await row("seat", "seat_id = 'A-4'")).toEqual([])
  expect(await row("reservation")).toEqual(["reservation", "seatCount"])
  expect(await row("performance")).toEqual(["performance"])
  const key = `'${schemaName("boxoffice")}/${id.performance}/ann', 1`
  expect(await lockedBy(`SELECT pg_advisory_xact_lock(hashtextextended(${key}))`)).toEqual([
    "seatCount"
  ])
  // Each holder of the lock of a count has a name of its own, and the same one for as long as it holds it.
  const holdersOf = async (times: number) => {
    const other = openSql(database.url)
    await other("BEGIN")
    await other(`SELECT pg_advisory_xact_lock(hashtextextended(${key}))`)
    const names: Array<unknown> = []
    for (let time = 0; time < times; time++) {
      names.push(...(await database.run(database.store.lockedRows(plan))).values())
    }
    await other("ROLLBACK")
    return names
  }
  const [first, again, ...rest] = [...(await holdersOf(2)), ...(await holdersOf(1))]
  expect(again).toBe(first)
  expect(rest).toEqual([expect.stringMatching(/^\d+\/\d+$/)])
  expect(rest).not.toContain(first)
  const whole = `'${schemaName("boxoffice")}/${id.performance}', 0`
  expect(await lockedBy(`SELECT pg_advisory_xact_lock(hashtextextended(${whole}))`)).toEqual([
    "seatCount"
  ])
  // Every key is one of the plan's own, by which a batcher knows the commands.
  const own = plan.lockKeys()
  const other = openSql(database.url)
  await other("BEGIN")
  for (const table of ["queue", "queue_token", "queue_code", "wallet", "seat", "reservation"]) {
    await other(`SELECT 1 FROM boxoffice.${table} FOR UPDATE`)
  }
  const all = await database.run(database.store.lockedRows(plan))
  await other("ROLLBACK")
  expect(
    Array.from(all.keys()).filter((key) => !own.has(key) && !key.startsWith("seat\n"))
  ).toEqual([])
  expect(all.size).toBeGreaterThan(6)
})
