import { strict as assert } from "node:assert"
import { Schema } from "effect"
import { expect, test } from "vitest"
import { InsufficientBalance, Money, money } from "../src/index.ts"
import { decodeEvents, encodeEvents } from "../src/store.ts"
import { makeTestOffice, won } from "../src/testing.ts"

// The body that `res.json(result)` of a host sends.

const encodeMoney = Schema.encodeUnknownSync(Money)

const isMoney = (value: unknown): boolean =>
  typeof value === "object" && value !== null && "currency" in value && "amount" in value

/** Asserts that JSON has each amount in a value as the HTTP API writes it, and counts them. */
const amountsIn = (value: unknown, json: unknown): number => {
  if (isMoney(value)) {
    expect(json).toEqual(encodeMoney(value))
    return 1
  }
  if (typeof value === "bigint") expect(json).toBe(Number(value))
  if (value instanceof Date) expect(json).toBe(value.toISOString())
  if (typeof value !== "object" || value === null || value instanceof Date) return 0
  return Object.entries(value).reduce(
    (sum, [name, part]) => sum + amountsIn(part, (json as Record<string, unknown>)[name]),
    0
  )
}

const written = (value: unknown): unknown => JSON.parse(JSON.stringify(value ?? null))

test("JSON.stringify writes every result of every operation, money as the HTTP API does", async () => {
  await using office = await makeTestOffice({ policies: { gate: [] } })
  await office.arrange.performance({ seats: 4 })
  const amounts: Record<string, number> = {}
  const noted = <A>(name: string, value: A): A => {
    amounts[name] = (amounts[name] ?? 0) + amountsIn(value, written(value))
    return value
  }
  const { queue, catalog, reservations, wallet, payments, events } = office
  const ada = { userId: "ada" }
  const on = { ...ada, performanceId: "gala-1" }
  const performances = await catalog.performances("gala")
  const { startsAt } = performances[0]!

  const { token } = noted("queue.join", await queue.join({ queueId: "main", ...ada }))
  const place = { queueId: "main", ...ada, queueToken: token }
  noted("queue.status", await queue.status(place))
  for await (const status of queue.changes(place)) {
    noted("queue.changes", status)
    break
  }
  noted("queue.leave", await queue.leave(place))
  noted("queue.create", await queue.create({ queueId: "other", opensAt: new Date(startsAt) }))
  noted("queue.get", await queue.get("main"))
  noted("queue.notice", await queue.notice("main"))
  noted("queue.list", await queue.list({}))
  noted("queue.configure", await queue.configure("main", { maxActive: 9 }))
  noted("queue.reschedule", await queue.reschedule("other", null))
  noted("queue.setMode", await queue.setMode("other", "paused"))
  noted("queue.addCodes", await queue.addCodes({ queueId: "main", codes: ["a-code-of-it"] }))
  noted("queue.advance", await queue.advance("main"))

  const show = { showId: "new", title: "New", queueId: "main" }
  noted(
    "catalog.addShow",
    await catalog.addShow({ ...show, salesOpenAt: null, salesCloseAt: null })
  )
  const performance = { performanceId: "new-1", showId: "new", timeZone: "Asia/Seoul" }
  noted(
    "catalog.addPerformance",
    await catalog.addPerformance({ ...performance, startsAt: new Date(startsAt) })
  )
  const seat = { seatId: "A1", section: "A", row: "1", number: "1", price: won(5) }
  noted("catalog.addSeats", await catalog.addSeats({ performanceId: "new-1", seats: [seat] }))
  noted("catalog.shows", await catalog.shows({}))
  noted("catalog.show", await catalog.show("gala"))
  noted("catalog.availableDates", await catalog.availableDates({ ...ada, showId: "gala" }))
  noted("catalog.availableSeats", await catalog.availableSeats(on))
  noted("catalog.performances", performances)

  const charged = { ...ada, amount: { amount: 500_000n, currency: "KRW" }, idempotencyKey: "c" }
  const charge = noted("wallet.charge", await wallet.charge(charged))
  expect(noted("wallet.charge", await wallet.charge(charged))).toEqual(charge)
  noted("wallet.balance", await wallet.balance(ada))

  const holding = { ...on, seatIds: ["A1", "A2"], idempotencyKey: "h" }
  const hold = noted("reservations.hold", await reservations.hold(holding))
  expect(noted("reservations.hold", await reservations.hold(holding))).toEqual(hold)
  const { reservationId } = hold
  noted("reservations.get", await reservations.get({ ...ada, reservationId }))
  noted("reservations.list", await reservations.list(ada))
  noted("reservations.expire", await reservations.expire([reservationId]))
  const other = await reservations.hold({ ...on, seatIds: ["A3"] })
  noted("reservations.release", await reservations.release({ ...ada, ...other }))

  const paying = { ...ada, reservationId, idempotencyKey: "p" }
  const { paymentId } = noted("payments.pay", await payments.pay(paying))
  noted("payments.pay", await payments.pay(paying))
  noted("payments.refund", await payments.refund({ paymentId }))
  noted("wallet.entries", await wallet.entries(ada))

  const recorded = []
  for await (const event of events.consume("test")) {
    recorded.push(noted("events.consume", event))
    if (event.event._tag === "PaymentRefunded") break
  }
  noted("events.consumers", await events.consumers())
  noted("events.reset", await events.reset("test", "now"))
  noted("events.remove", await events.remove("test"))
  noted("events.recover", await events.recover())
  noted("events.prune", await events.prune({ olderThanMs: 0 }))
  // A host's own consumer can write the events that it read.
  const again = recorded.map(({ event }) => event)
  expect(decodeEvents(1, encodeEvents(again))).toEqual(again)
  expect(encodeEvents(again)).toMatch(/"amount":"500000"/)

  const operations = Object.entries({ queue, catalog, reservations, wallet, payments, events })
  expect(Object.keys(amounts).sort()).toEqual(
    operations.flatMap(([name, group]) => Object.keys(group).map((op) => `${name}.${op}`)).sort()
  )
  const withMoney = Object.keys(amounts).filter((name) => amounts[name]! > 0)
  expect(withMoney).toEqual([
    "catalog.availableDates",
    "catalog.availableSeats",
    "catalog.performances",
    "wallet.charge",
    "wallet.balance",
    "reservations.hold",
    "reservations.get",
    "reservations.list",
    "payments.pay",
    "payments.refund",
    "wallet.entries",
    "events.consume"
  ])
  const poor = await office.results.payments.pay({
    userId: "bo",
    reservationId: (await reservations.hold({ ...on, userId: "bo", seatIds: ["A1"] })).reservationId
  })
  assert.ok(!poor.ok && poor.error instanceof InsufficientBalance)
  expect(written(poor)).toMatchObject({
    ok: false,
    error: { code: "insufficient_balance", available: { amount: 0, currency: "KRW" } }
  })
})

test("money is what a literal is, but for how JSON writes it", () => {
  const literal = { amount: 110_000n, currency: "KRW" }
  assert.deepStrictEqual(money(110_000n, "KRW"), literal)
  expect(Object.keys(money(110_000n, "KRW"))).toEqual(["amount", "currency"])
  expect({ ...money(110_000n, "KRW") }).toStrictEqual(literal)
  expect(structuredClone(money(1n, "KRW"))).toEqual(won(1))
  expect(JSON.stringify([won(110_000), money(-1n, "USD")])).toBe(
    '[{"amount":110000,"currency":"KRW"},{"amount":-1,"currency":"USD"}]'
  )
  // No HTTP request can carry these; a ceiling of the host's own may allow them.
  expect(JSON.stringify(won(2n ** 53n))).toBe('{"amount":"9007199254740992","currency":"KRW"}')
})
