/** The checkers see what is broken: each is given a world at rest with one thing changed. */
import { expect, test } from "vitest"
import { checkCalls } from "../../src/simulation/check/calls.ts"
import { checkEvents } from "../../src/simulation/check/events.ts"
import { type Facts, factsOf, toldOf } from "../../src/simulation/check/facts.ts"
import { checkMoney } from "../../src/simulation/check/money.ts"
import { checkPresence } from "../../src/simulation/check/presence.ts"
import { checkQueues } from "../../src/simulation/check/queues.ts"
import { checkSeats } from "../../src/simulation/check/seats.ts"
import { type ClockStep, momentOf, steadyTimes } from "../../src/simulation/check/steady.ts"
import { planOf } from "../../src/simulation/generate.ts"
import { Machine, worldStart } from "../../src/simulation/Machine.ts"
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

/** A world in which the database's clock has made these steps. */
const stepped = (
  clockSteps: ReadonlyArray<ClockStep>,
  events: ReadonlyArray<unknown>,
  calls: ReadonlyArray<unknown> = []
): Facts => ({
  rows: { ...facts.rows, tokens: [], queues: [] },
  events: events.map((event) => ({ id: "1-1", aggregate: "queue/q0", event })) as never,
  world: {
    plan: facts.world.plan,
    history: { calls },
    faults: { clockSteps },
    machine: { elapsed: () => endMs }
  } as never
})
const hour = 3_600_000
const endMs = 300_000
/** The clock goes ahead by an hour after a minute, and back after two. */
const aheadAndBack: ReadonlyArray<ClockStep> = [
  { elapsedMs: 60_000, byMs: hour },
  { elapsedMs: 120_000, byMs: -hour }
]
const at = (ms: number) => worldStart + ms

test("an instant belongs to the time without a step in which the clock showed it", () => {
  const times = steadyTimes(aheadAndBack, endMs)
  const elapsed = (ms: number) => momentOf(times, at(ms))?.elapsedMs
  expect([elapsed(30_000), elapsed(hour + 90_000), elapsed(200_000)]).toEqual([
    30_000, 90_000, 200_000
  ])
  // The clock never showed the first; a clock that goes back by a minute shows the second twice.
  expect(elapsed(hour)).toBeUndefined()
  const back = steadyTimes([{ elapsedMs: 90_000, byMs: -60_000 }], endMs)
  expect(momentOf(back, at(60_000))).toBeUndefined()
  expect(momentOf(back, at(10_000))?.elapsedMs).toBe(10_000)
})

/** Two users who are admitted to a queue that admits one a minute. */
const admittedAt = (...instants: ReadonlyArray<number>) => {
  const { settings } = facts.world.plan.setup.queues[0]!
  const queueId = "q0"
  return [
    { _tag: "QueueCreated", queueId, settings: { ...settings, maxActive: 9, admitPerMinute: 1 } },
    ...instants.map((_, i) => ({
      ...{ _tag: "QueueTokenIssued", queueId, tokenId: `t${i}`, userId: `u${i}` },
      number: BigInt(i + 1)
    })),
    ...instants.map((ms, i) => ({
      ...{ _tag: "QueueTokenAdmitted", queueId, tokenId: `t${i}`, userId: `u${i}` },
      at: at(ms)
    }))
  ]
}

test("too many admissions in a minute, also where the clock stepped before and after", () => {
  const found = (...instants: ReadonlyArray<number>) =>
    texts(checkQueues(stepped(aheadAndBack, admittedAt(...instants))))
  expect(found(hour + 70_000, hour + 90_000)).toBe(
    "I12: u1 was admitted as number 2 within a minute; admitPerMinute is 1"
  )
  expect(found(130_000, 189_999)).toMatch(/I12/)
  expect(found(130_000, 190_000)).toBe("")
  // A step lies between them: the clock says that an hour has passed, or nobody knows.
  expect(found(50_000, hour + 70_000)).toBe("")
  expect(found(hour + 110_000, 125_000)).toBe("")
})

test("a finding of a queue names the queue, the instant and both users", () => {
  const { settings } = facts.world.plan.setup.queues[0]!
  const [created, ...others] = admittedAt(1_000, 2_338)
  const full = { ...created, settings: { ...settings, maxActive: 1, admitPerMinute: 60 } }
  expect(checkQueues(stepped([], [full, ...others])).map(toldOf)).toEqual([
    "I12 at 2338 ms, q0: u1 was admitted while u0 was inside; maxActive is 1"
  ])
})

test("a present user who is removed, also where the clock stepped before and after", () => {
  const { queueId, settings } = facts.world.plan.setup.queues[0]!
  const found = (polledMs: number, removedAt: number) => {
    const poll = {
      user: "u0",
      operation: "status",
      outcome: { _tag: "ok", value: { state: "waiting" } }
    }
    const world = stepped(
      aheadAndBack,
      [{ _tag: "QueueTokenLeft", away: true, queueId, userId: "u0", at: at(removedAt) }],
      [{ ...poll, beganAt: polledMs - 10, endedAt: polledMs }]
    )
    const setup = {
      ...facts.world.plan.setup,
      queues: [{ queueId, settings: { ...settings, absenceSeconds: 30 } }]
    }
    const changed = { ...world, world: { ...world.world, plan: { setup } } as never }
    return texts(checkPresence(changed))
  }
  expect(found(80_000, hour + 100_000)).toMatch(/I13: u0 was removed as absent, 20000 ms after/)
  expect(found(65_000, hour + 100_000)).toBe("")
  // They polled before the step: the clock says that it was an hour ago.
  expect(found(55_000, hour + 70_000)).toBe("")
  expect(found(130_000, 150_000)).toMatch(/I13/)
})
