import { aggregateOf, type BoxOfficeStore } from "@boxoffice/core"
import { encodeEvents, evolve, type LoadPlan, type Rows } from "@boxoffice/core/store"
import { exampleEvents } from "@boxoffice/core/testing"
import { expect, test } from "vitest"
import {
  addPerformance,
  addQueue,
  addSeats,
  addShow,
  charge,
  chargedEvent,
  heldEvent,
  hold,
  id,
  krw,
  openDatabase,
  pay,
  refund,
  seedCatalog,
  settings
} from "./support.ts"

const large = 2n ** 62n + 1n
const exact = (rows: Rows, user: string) => rows.wallets.get(id.user(user))

test("a token comes back as it was saved, in every state", async () => {
  const database = await openDatabase()
  await seedCatalog(database)
  const { transact } = database
  const tokens = {
    admitted: id.token(),
    completed: id.token(),
    left: id.token(),
    expired: id.token(),
    waiting: id.token()
  }
  const saved = await transact(
    (plan) => plan.queues.add(id.queue),
    (rows) => {
      const at = rows.now
      for (const [name, tokenId] of Object.entries(tokens)) {
        const token = { tokenId, queueId: id.queue, userId: id.user(name), at }
        const { nextNumber } = rows.queues.get(id.queue)!
        evolve(rows, { _tag: "QueueTokenIssued", number: nextNumber, ...token })
        if (name === "waiting") continue
        const expiresAt = at + 60_000
        evolve(rows, {
          _tag: "QueueTokenAdmitted",
          claimed: name !== "expired",
          expiresAt,
          ...token
        })
        if (name === "completed") evolve(rows, { _tag: "QueueTokenCompleted", ...token })
        if (name === "left") evolve(rows, { _tag: "QueueTokenLeft", ...token })
        if (name === "expired") evolve(rows, { _tag: "QueueTokenLapsed", ...token })
      }
      return Array.from(rows.tokens.values())
    }
  )
  const loaded = await transact(
    (plan) => {
      plan.queues.add(id.queue)
      for (const tokenId of Object.values(tokens)) plan.tokens.add(tokenId)
    },
    (rows) => ({ tokens: saved.map((token) => rows.tokens.get(token.tokenId)), rows })
  )
  expect(loaded.tokens).toEqual(saved)
  expect(loaded.rows.queues.get(id.queue)).toEqual({
    queueId: id.queue,
    mode: "open",
    settings,
    nextNumber: 6n,
    cursor: 4n,
    headsLoadedTo: 4n,
    active: 1,
    admittedLastMinute: 4,
    waiting: 1,
    priority: { nextNumber: 1n, cursor: 0n, waiting: 0, headsLoadedTo: 0n },
    laneCredit: 0,
    departed: 0n,
    opening: null,
    drawSize: 0n,
    presenceKept: false
  })
  const { store, run } = database
  const [reading] = await run(store.readTokens([{ tokenId: tokens.waiting, showId: id.show }]))
  expect(reading).toMatchObject({ token: saved[4], ahead: 0, requiredQueueId: "q" })
  expect(await run(store.queues({ after: undefined, limit: 5 }))).toHaveLength(1)
  expect(await run(store.queue("none" as never))).toBeUndefined()
})

test("a user's live token is found, and the position of a named one counted", async () => {
  const database = await openDatabase()
  await seedCatalog(database, { queue: { ...settings, maxActive: 3 } })
  const tokens = Array.from({ length: 20 }, (_, index) => ({
    tokenId: id.token(),
    queueId: id.queue,
    userId: id.user(`user-${index}`)
  }))
  const { transact } = database
  await transact(
    (plan) => plan.queues.add(id.queue),
    (rows) => {
      for (const token of tokens) {
        const number = rows.queues.get(id.queue)!.nextNumber
        evolve(rows, { _tag: "QueueTokenIssued", number, at: rows.now, ...token })
      }
      evolve(rows, { _tag: "QueueTokenLeft", ...tokens[4]!, at: rows.now })
    }
  )
  const places = await transact(
    (plan) => {
      plan.queues.add(id.queue)
      plan.addHeads(id.queue, { limit: 3 })
      for (const user of ["user-9", "stranger"]) {
        plan.liveTokensOf.push({ queueId: id.queue, userId: id.user(user) })
      }
      for (const index of [1, 7, 19]) plan.tokens.add(tokens[index]!.tokenId)
    },
    (rows) => ({
      users: Array.from(rows.tokens.values(), ({ userId }) => userId).sort(),
      ahead: [1, 7, 19].map((index) => rows.ahead(rows.tokens.get(tokens[index]!.tokenId)!)),
      headsLoadedTo: rows.queues.get(id.queue)!.headsLoadedTo
    })
  )
  expect(places).toEqual({
    users: ["user-0", "user-1", "user-19", "user-2", "user-7", "user-9"],
    ahead: [1, 6, 18],
    headsLoadedTo: 3n
  })
})

test("lapsed tokens come with their queue, and a queue with something to do is found", async () => {
  const database = await openDatabase()
  await seedCatalog(database, { queue: { ...settings, maxActive: 1 } })
  const { transact, store, run, sql } = database
  const join = (user: string, admittedUntil?: number) =>
    transact(
      (plan) => plan.queues.add(id.queue),
      (rows) => {
        const number = rows.queues.get(id.queue)!.nextNumber
        const token = {
          tokenId: id.token(),
          queueId: id.queue,
          userId: id.user(user),
          at: rows.now
        }
        evolve(rows, { _tag: "QueueTokenIssued", number, ...token })
        if (admittedUntil === undefined) return
        const expiresAt = rows.now + admittedUntil
        evolve(rows, { _tag: "QueueTokenAdmitted", claimed: true, expiresAt, ...token })
      }
    )
  await join("inside", 600_000)
  await join("next")
  const look = () =>
    transact(
      (plan) => {
        plan.queues.add(id.queue)
        plan.addHeads(id.queue, { limit: 1 })
      },
      (rows) => ({
        users: Array.from(rows.tokens.values(), (token) => token.userId).sort(),
        active: rows.queues.get(id.queue)!.active
      })
    )
  expect(await look()).toEqual({ users: ["next"], active: 1 })
  expect(await run(store.lapsed(10))).toEqual({ reservations: [], queues: [] })
  await sql("UPDATE boxoffice.queue_token SET expires_at = now() WHERE state = 'admitted'")
  // A lapsed user counts as active until a batch ends the token.
  expect(await look()).toEqual({ users: ["inside", "next"], active: 1 })
  expect((await run(store.queue(id.queue)))!.active).toBe(0)
  expect(await run(store.lapsed(10))).toMatchObject({ queues: ["q"] })
  await transact(
    (plan) => plan.queues.add(id.queue),
    (rows) =>
      evolve(rows, {
        _tag: "QueueModeChanged",
        queueId: id.queue,
        mode: "paused",
        before: "open",
        at: rows.now
      })
  )
  expect((await run(store.queue(id.queue)))!.mode).toBe("paused")
})

test("a reservation and its seats come back as they were saved, in every status", async () => {
  const database = await openDatabase()
  await seedCatalog(database)
  await charge(database, "ann", 100_000n)
  const held = await hold(database, "ann", ["A-2", "A-1"])
  const paid = await hold(database, "ann", ["A-3"])
  const payment = await pay(database, "ann", paid)
  const refunded = await hold(database, "ann", ["A-4"])
  await pay(database, "ann", refunded)
  await refund(database, "ann", refunded)
  const released = await hold(database, "ann", ["A-5"])
  const { transact, store, run } = database
  const rowsOf = () =>
    transact(
      (plan) => {
        for (const each of [held, paid, refunded, released]) plan.reservations.add(each)
        plan.seatCounts.push({ performanceId: id.performance, userId: id.user("ann") })
      },
      (rows) => rows
    )
  await transact(
    (plan) => plan.reservations.add(released),
    (rows) =>
      evolve(rows, {
        _tag: "HoldReleased",
        reservationId: released,
        performanceId: id.performance,
        userId: id.user("ann"),
        seatIds: [id.seat("A-5")],
        at: rows.now
      })
  )
  const rows = await rowsOf()
  expect(rows.seatsOf(id.performance, id.user("ann"))).toBe(3)
  expect(rows.performances.get(id.performance)).toMatchObject({ showId: "show", queueId: "q" })
  expect(rows.reservations.get(held)).toMatchObject({
    status: "held",
    seats: [
      { seatId: "A-2", section: "A", row: "1", number: "2", price: krw(5_000n) },
      { seatId: "A-1", section: "A", row: "1", number: "1", price: krw(5_000n) }
    ],
    amount: krw(10_000n)
  })
  expect(rows.reservations.get(paid)).toMatchObject({ status: "confirmed", paymentId: payment })
  expect(rows.reservations.get(refunded)).toMatchObject({ status: "cancelled" })
  expect(rows.reservations.get(released)).toMatchObject({ status: "released", confirmedAt: null })
  const states = ["A-1", "A-3", "A-4", "A-5"].map((seat) => {
    const { status, reservationId } = rows.seat(id.performance, id.seat(seat))!
    return [status, reservationId]
  })
  expect(states).toEqual([
    ["held", held],
    ["sold", paid],
    ["available", null],
    ["available", null]
  ])
  const all = await run(store.reservations(id.user("ann"), { after: undefined, limit: 10 }))
  const byAge = [released, refunded, paid, held]
  expect(all.reservations).toEqual(byAge.map((each) => rows.reservations.get(each)))
  const { heldAt, reservationId } = all.reservations[1]!
  const after = { heldAt, reservationId }
  const rest = await run(store.reservations(id.user("ann"), { after, limit: 1 }))
  expect(rest.reservations.map((each) => each.reservationId)).toEqual([paid])
  const one = await run(store.reservation(paid))
  expect(one.reservations).toEqual([rows.reservations.get(paid)])
  expect((await run(store.reservation(id.reservation()))).reservations).toEqual([])
})

test("a wallet, its transfers and an outcome come back to the last unit", async () => {
  const database = await openDatabase()
  const { transact, store, run } = database
  const commandId = id.command()
  const outcome = { commandId, userId: id.user("ann"), operation: "charge", fingerprint: "f" }
  await transact(
    (plan) => plan.wallets.add(id.user("ann")),
    (rows) => {
      evolve(rows, chargedEvent(rows, "ann", large))
      evolve(rows, chargedEvent(rows, "ann", 1n))
      rows.addOutcome({ ...outcome, outcome: '{"a":1}' })
    }
  )
  await charge(database, "ann", 3n)
  const rows = await transact(
    (plan) => {
      plan.wallets.add(id.user("ann")).add(id.user("nobody"))
      plan.outcomes.add(commandId).add(id.command())
    },
    (rows) => rows
  )
  const wallet = { userId: "ann", currency: "KRW", balance: large + 4n, version: 3 }
  expect(exact(rows, "ann")).toEqual(wallet)
  expect(exact(rows, "nobody")).toBeUndefined()
  expect(rows.outcomes.get(commandId)).toEqual({ ...outcome, outcome: '{"a":1}' })
  expect(await run(store.wallet(id.user("ann")))).toEqual(wallet)
  const page = await run(store.transfers(id.user("ann"), { after: undefined, limit: 2 }))
  expect(page.map(({ version, amount, balance }) => [version, amount, balance])).toEqual([
    [3, 3n, large + 4n],
    [2, 1n, large + 1n]
  ])
  const last = await run(store.transfers(id.user("ann"), { after: 2, limit: 2 }))
  expect(last).toMatchObject([{ version: 1, amount: large, kind: "charge", reservationId: null }])
  expect(await run(store.paid(id.transfer()))).toBeUndefined()
})

test("a batch's events are in the outbox, in order, exactly: a row for each batch", async () => {
  const database = await openDatabase()
  await seedCatalog(database)
  await charge(database, "ann", large)
  const reservationId = await hold(database, "ann", ["A-1"])
  const events = await database.sql(`
    SELECT batch_id, position, aggregate_kind, aggregate_id, type, event, occurred_at,
      xid::text <> '' AS has_xid
    FROM boxoffice.outbox_event ORDER BY batch_id, position`)
  expect(events).toMatchObject([
    {
      batch_id: 1n,
      position: 1,
      aggregate_kind: "wallet",
      aggregate_id: "ann",
      type: "WalletCharged",
      event: { _tag: "WalletCharged", amount: { amount: String(large), currency: "KRW" } },
      has_xid: true
    },
    {
      batch_id: 2n,
      position: 1,
      aggregate_kind: "reservation",
      aggregate_id: reservationId,
      type: "SeatsHeld"
    }
  ])
  const { at } = events[1]!.event as { readonly at: number }
  expect(events[1]!.occurred_at).toEqual(new Date(at))
})

test("the outbox names the aggregate of every event as the engine does", async () => {
  const database = await openDatabase()
  const events = exampleEvents.map((event) => ({ event, aggregate: aggregateOf(event) }))
  await database.sql(`INSERT INTO boxoffice.outbox (occurred_at, events)
    VALUES (now(), '${encodeEvents(exampleEvents)}')`)
  const named = await database.sql(`
    SELECT aggregate_kind AS kind, aggregate_id AS id, type FROM boxoffice.outbox_event
    ORDER BY batch_id, position`)
  expect(named).toEqual(
    events.map(({ event, aggregate: [kind, id] }) => ({ kind, id, type: event._tag }))
  )
})

test("the catalogue is read back as it was added, and refused without a parent", async () => {
  const database = await openDatabase()
  await seedCatalog(database, { seats: 2 })
  const { store, run } = database
  const show = {
    showId: id.show,
    title: "Another",
    queueId: id.queue,
    salesOpenAt: new Date(1_000),
    salesCloseAt: new Date(2_000)
  }
  const performance = {
    performanceId: id.performance,
    showId: id.show,
    startsAt: new Date(5),
    timeZone: "UTC"
  }
  const seat = { seatId: id.seat("B-1"), section: "B", row: "1", number: "1", price: krw(large) }
  const orphanShow = { ...show, showId: "x" as never, queueId: "x" as never }
  await expect(addShow(database, orphanShow)).rejects.toMatchObject({ retryable: false })
  await addShow(database, { ...show, showId: "later" as never })
  expect(await run(store.show("later" as never))).toEqual({ ...show, showId: "later" })
  const page = await run(store.shows({ after: "later" as never, limit: 5 }))
  expect(page.map((each) => each.showId)).toEqual(["show"])
  const orphan = { ...performance, performanceId: "x" as never, showId: "x" as never }
  await expect(addPerformance(database, orphan)).rejects.toMatchObject({ retryable: false })
  expect(await run(store.performance("x" as never))).toBeUndefined()
  await expect(addSeats(database, "x" as never, [seat])).rejects.toMatchObject({
    retryable: false
  })
  const taken = { ...seat, seatId: id.seat("A-1") }
  await expect(addSeats(database, id.performance, [seat, taken])).rejects.toMatchObject({
    retryable: false
  })
  await addSeats(database, id.performance, [{ ...seat, blocked: true }])
  const named = (plan: LoadPlan) => {
    plan.shows.add("later" as never)
    plan.performances.add(id.performance)
    plan.seatsToRead.push({
      performanceId: id.performance,
      seatIds: [id.seat("B-1"), taken.seatId]
    })
  }
  const found = await database.transact(named, (rows) => [
    rows.shows.get("later" as never),
    rows.storedPerformances.get(id.performance)?.currency,
    rows.seat(id.performance, id.seat("B-1"))?.status,
    rows.seat(id.performance, taken.seatId)?.price
  ])
  expect(found).toEqual([{ ...show, showId: "later" }, "KRW", "blocked", krw(5_000n)])
  const map = (await run(store.seats(id.performance)))!
  expect(map.seats.map(({ seatId, status, price }) => [seatId, status, price])).toEqual([
    ["A-1", "available", krw(5_000n)],
    ["A-2", "available", krw(5_000n)],
    ["B-1", "blocked", krw(large)]
  ])
  expect(await run(store.seats("x" as never))).toBeUndefined()
  expect(await run(store.performances("x" as never))).toBeUndefined()
  expect((await run(store.performances("later" as never)))!.performances).toEqual([])
})

test("a lapsed hold counts as free wherever seats are counted, and the version shows changes", async () => {
  const database = await openDatabase()
  await seedCatalog(database, { seats: 3 })
  const { store, run, sql } = database
  const before = (await run(store.seats(id.performance)))!.version
  const lapsing = await hold(database, "ann", ["A-1", "A-2"])
  expect((await run(store.seats(id.performance)))!.version).toBe(before + 4)
  const counts = async () => {
    const [first] = (await run(store.performances(id.show)))!.performances
    const held = await database.transact(
      (plan) => plan.seatCounts.push({ performanceId: id.performance, userId: id.user("ann") }),
      (rows) => rows.seatsOf(id.performance, id.user("ann"))
    )
    return [first!.availableSeats, first!.totalSeats, held]
  }
  expect(await counts()).toEqual([1, 3, 2])
  await sql(`UPDATE boxoffice.seat SET held_until = now() WHERE status = 'held'`)
  await sql(`UPDATE boxoffice.reservation SET held_at = now() - interval '1 minute',
    hold_expires_at = now()`)
  expect(await counts()).toEqual([3, 3, 0])
  expect(await run(store.lapsed(10))).toEqual({ reservations: [lapsing], queues: [] })
})

test("hostile text is data, in every field", async () => {
  const database = await openDatabase()
  const hostile = `'); DROP TABLE boxoffice.seat; -- "$1 {a,"b"} \\ 🎫 \u00e9\u0301 ' || (SELECT 1) || '`
  const { store, run, transact } = database
  const queueId = `${hostile}q` as never
  const showId = `${hostile}s` as never
  const performanceId = `${hostile}p` as never
  const userId = `${hostile}u` as never
  await addQueue(database, queueId, settings)
  const show = { showId, title: hostile, queueId, salesOpenAt: null, salesCloseAt: null }
  await addShow(database, show)
  await addPerformance(database, {
    performanceId,
    showId,
    startsAt: new Date(0),
    timeZone: hostile
  })
  const seat = { seatId: hostile as never, section: hostile, row: hostile, number: hostile }
  await addSeats(database, performanceId, [{ ...seat, price: krw(1n) }])
  const commandId = id.command()
  const outcome = {
    commandId,
    userId,
    operation: hostile,
    fingerprint: hostile,
    outcome: JSON.stringify({ hostile })
  }
  const reservationId = id.reservation()
  const tokenId = id.token()
  const name = (plan: Parameters<BoxOfficeStore["Service"]["transact"]>[0]) => {
    plan.queues.add(queueId)
    plan.liveTokensOf.push({ queueId, userId })
    plan.tokens.add(tokenId)
    plan.wallets.add(userId)
    plan.outcomes.add(commandId)
    plan.reservations.add(reservationId)
    plan.seats.push({ performanceId, seatIds: [hostile as never] })
    plan.seatCounts.push({ performanceId, userId })
  }
  await transact(name, (rows) => {
    const at = rows.now
    evolve(rows, { _tag: "QueueTokenIssued", tokenId, queueId, userId, number: 1n, at })
    evolve(rows, chargedEvent(rows, userId, 7n))
    evolve(rows, {
      ...heldEvent(rows, reservationId, userId, []),
      performanceId,
      seats: [{ ...seat, price: krw(1n) }]
    } as never)
    rows.addOutcome(outcome)
  })
  const rows = await transact(name, (rows) => rows)
  expect(rows.queues.get(queueId)).toMatchObject({ nextNumber: 2n })
  expect(rows.tokens.get(tokenId)).toMatchObject({ queueId, userId })
  expect(rows.wallets.get(userId)).toMatchObject({ userId, balance: 7n })
  expect(rows.outcomes.get(commandId)).toEqual(outcome)
  expect(rows.reservations.get(reservationId)).toMatchObject({ userId, seats: [seat] })
  expect(rows.seat(performanceId, hostile as never)).toMatchObject({ ...seat, reservationId })
  expect(rows.seatsOf(performanceId, userId)).toBe(1)
  expect(rows.performances.get(performanceId)).toMatchObject({ showId, queueId })
  expect(await run(store.show(showId))).toEqual(show)
  expect(await run(store.performance(performanceId))).toMatchObject({ timeZone: hostile })
  expect(await run(store.readTokens([{ tokenId, performanceId }]))).toMatchObject([
    { requiredQueueId: queueId }
  ])
})
