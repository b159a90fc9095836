/** The checkers see what is broken: each is given a world at rest with one thing changed. */
import { expect, test } from "vitest"
import { checkCalls } from "../../src/simulation/check/calls.ts"
import { checkEvents } from "../../src/simulation/check/events.ts"
import { type Facts, factsOf } from "../../src/simulation/check/facts.ts"
import { checkMoney } from "../../src/simulation/check/money.ts"
import { checkQueues } from "../../src/simulation/check/queues.ts"
import { checkSeats } from "../../src/simulation/check/seats.ts"
import { planOf } from "../../src/simulation/generate.ts"
import { Machine } from "../../src/simulation/Machine.ts"
import { World } from "../../src/simulation/World.ts"

/** A world with a paid seat, a consumer and a queue. */
const facts: Facts = (() => {
  for (let seed = 1; ; seed++) {
    const plan = planOf(seed)
    if (plan.theme !== "readers" || plan.setup.shows[0]!.price === 0) continue
    const found = Machine.run(String(seed), (machine) => {
      const world = new World(machine, plan)
      world.begin()
      return { isOver: () => world.isOver(), result: () => factsOf(world) }
    })
    if (found.rows.transfers.some(({ kind }) => kind === "payment")) return found
  }
})()

const rows = (change: Partial<Facts["rows"]>): Facts => ({
  ...facts,
  rows: { ...facts.rows, ...change }
})
const texts = (findings: ReadonlyArray<{ readonly invariant: string; readonly text: string }>) =>
  findings.map(({ invariant, text }) => `${invariant}: ${text}`).join("\n")

test("the world itself keeps all promises", () => {
  const all = [checkMoney, checkSeats, checkQueues, checkCalls, checkEvents]
  expect(texts(all.flatMap((one) => one(facts)))).toBe("")
})

test("a wallet that is not the sum of its transfers, and a transfer that is gone", () => {
  const wallets = facts.rows.wallets.map((row) => ({ ...row, balance: row.balance + 1n }))
  expect(texts(checkMoney(rows({ wallets })))).toMatch(/^I2: u\d: the wallet says/)
  const [, ...transfers] = facts.rows.transfers
  expect(texts(checkMoney(rows({ transfers })))).toMatch(/I2/)
})

test("a payment that is gone, and one that is there twice", () => {
  const payment = facts.rows.transfers.find(({ kind }) => kind === "payment")!
  const without = facts.rows.transfers.filter((row) => row !== payment)
  expect(texts(checkSeats(rows({ transfers: without })))).toMatch(/I7: \S+ is \w+ with 0 payments/)
  const twice = rows({ transfers: [...facts.rows.transfers, payment] })
  expect(texts(checkMoney(twice))).toMatch(/I7: \S+ was paid 2 times/)
  // It was acknowledged: the caller was told so.
  const charges = facts.rows.transfers.filter(({ kind }) => kind !== "charge")
  expect(texts(checkCalls(rows({ transfers: charges })))).toMatch(
    /I6: #\d+ charge was acknowledged/
  )
})

test("a seat that belongs to another reservation", () => {
  const seats = facts.rows.seats.map((row) => ({ ...row, reservationId: null }))
  expect(texts(checkSeats(rows({ seats })))).toMatch(/I7: \S+ is paid, and S\d is sold for null/)
})

test("an admission out of turn, and more inside than the limit", () => {
  const admitted = facts.events.filter(({ event }) => event._tag === "QueueTokenAdmitted")
  const others = facts.events.filter(({ event }) => event._tag !== "QueueTokenAdmitted")
  const events = [...others, ...admitted]
  expect(texts(checkQueues({ ...facts, events }))).toMatch(/I13: u\d was admitted, and their token/)
  const endless = facts.events.filter(
    ({ event }) =>
      !["QueueTokenCompleted", "QueueTokenLeft", "QueueTokenLapsed"].includes(event._tag)
  )
  expect(texts(checkQueues({ ...facts, events: endless }))).toMatch(/I\d+/)
})

test("an event that a consumer never got, or got before an earlier one", () => {
  const extra = { ...facts.events.at(-1)!, id: "999999-1" }
  expect(texts(checkEvents({ ...facts, events: [...facts.events, extra] }))).toMatch(
    /I9: c0 never got 999999-1/
  )
  const reversed = { ...facts, events: facts.events.toReversed() }
  expect(texts(checkEvents(reversed))).toMatch(/I9: c0 was given \S+ before an earlier event of it/)
})
