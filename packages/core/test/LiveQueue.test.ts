import { Arbitrary, Effect, Schema } from "effect"
import { describe, expect, it } from "vitest"
import { departuresPerReading, type QueueReading } from "../src/BoxOfficeStore.ts"
import type { QueueId, UserId } from "../src/Ids.ts"
import { DepartureTree } from "../src/queue/live/DepartureTree.ts"
import { LiveQueue } from "../src/queue/live/LiveQueue.ts"
import { permutationOf } from "../src/queue/lottery.ts"
import type { Departure, QueueRow } from "../src/queue/model.ts"
import { numberAt, placeOf } from "../src/queue/position.ts"
import { pollAfterSeconds } from "../src/queue/status.ts"
import { queueRow, testId, testStart } from "../src/testing.ts"
import type { QueueTokenPayload } from "../src/token/format.ts"
import { note, randomFrom } from "./support.ts"

const queueId = "main" as QueueId
const payloadOf = (
  number: number,
  lane: "general" | "priority" = "general"
): QueueTokenPayload => ({
  queueId,
  userId: `user-${number}` as UserId,
  tokenId: testId(number),
  entry: { lane, number, issuedAt: 0 }
})
const reading = (queue: QueueRow, more: Partial<QueueReading> = {}): QueueReading => ({
  now: testStart,
  queue,
  lapsed: false,
  departures: [],
  admissions: [],
  ...more
})

describe("the departure tree", () => {
  it("counts as a plain list does, whatever was added and dropped", () => {
    const random = randomFrom(7)
    for (let round = 0; round < 20; round++) {
      const departed = new DepartureTree(0)
      const list: Array<number> = []
      const size = 10 ** (1 + Math.floor(random() * 4))
      for (let i = 0; i < 300; i++) {
        const place = 1 + Math.floor(random() * size)
        if (list.includes(place)) continue
        list.push(place)
        departed.add(place)
        const low = Math.floor(random() * size)
        const high = Math.floor(random() * size * 1.2)
        const between = list.filter((at) => at > low && at <= high).length
        expect(departed.between(low, high)).toBe(between)
        expect(departed.has(high)).toBe(list.includes(high))
      }
    }
  })

  it("drops millions of places that the cursor has passed", () => {
    const departed = new DepartureTree(0)
    for (let place = 1; place <= 3_000_000; place += 2) departed.add(place)
    departed.pass(2_900_000)
    expect(departed.between(2_900_000, 3_000_000)).toBe(50_000)
    expect(departed.has(2_900_001)).toBe(true)
    expect(departed.has(2_900_002)).toBe(false)
    departed.add(2_900_002)
    expect(departed.between(2_900_000, 2_900_003)).toBe(3)
  })
})

// Models one queue twice: as a plain list of the waiting users in order, and by readings.
const Step = Schema.Union([
  Schema.TaggedStruct("join", {}),
  Schema.TaggedStruct("leave", {
    which: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 99 }))
  }),
  Schema.TaggedStruct("admit", {}),
  Schema.TaggedStruct("read", {})
])

const play = (steps: ReadonlyArray<typeof Step.Type>, opensAfter: number) => {
  let row = queueRow(
    opensAfter === 0
      ? {}
      : { opening: { opensAt: testStart, seed: "5eed".repeat(16), openedAt: null } }
  )
  const waiting: Array<number> = []
  const gone: Array<Departure> = []
  const positions = new Map<number, number>()
  let view = new LiveQueue(reading(row))
  const place = (number: number) => Number(placeOf(row, "general", BigInt(number)))
  const open = () => row.opening === null || row.opening.openedAt !== null

  const read = () => {
    const departures = gone.filter(({ seq }) => seq > view.after)
    while (!view.absorb(reading(row, { departures }))) departures.length = 0
    while (!view.placeSome());
    const line = waiting.toSorted((a, b) => place(a) - place(b))
    for (let number = 1; number < row.nextNumber; number++) {
      const told = view.statusOf(payloadOf(number))
      if (!waiting.includes(number)) {
        const left = gone.some((departure) => departure.number === BigInt(number))
        // A departure that the cursor has passed may be dropped: then only the store knows the
        // status.
        const forgotten = !left || place(number) <= row.cursor
        expect(["left", ...(forgotten ? [undefined] : [])]).toContain(told?.state)
        if (!left) expect(told, `${number} was let in`).toBeUndefined()
        continue
      }
      expect(told).toMatchObject({ state: "waiting" })
      if (!open()) {
        expect(told).toMatchObject({ position: 0, opensAt: new Date(testStart) })
        continue
      }
      expect(told!.position, `${number} in line`).toBe(line.indexOf(number) + 1)
      expect(told!.position).toBeLessThanOrEqual(positions.get(number) ?? Number.POSITIVE_INFINITY)
      positions.set(number, told!.position)
    }
    expect(view.statusOf(payloadOf(Number(row.nextNumber)))).toBeUndefined()
    if (open() && waiting.length > 0) {
      // The first token that a batch would load is the next in line.
      const { drawn } = view.heads()
      const first = drawn?.numbers[0] ?? BigInt(line[0]!)
      expect(Number(first)).toBe(line[0])
    }
  }

  for (const [i, step] of steps.entries()) {
    if (i === opensAfter && row.opening !== null) {
      row = {
        ...row,
        drawSize: row.nextNumber - 1n,
        opening: { ...row.opening, openedAt: testStart }
      }
    }
    switch (step._tag) {
      case "join":
        waiting.push(Number(row.nextNumber))
        row = { ...row, nextNumber: row.nextNumber + 1n, waiting: row.waiting + 1 }
        break
      case "leave": {
        const [number] = waiting.splice(step.which % Math.max(1, waiting.length), 1)
        if (number === undefined) break
        row = { ...row, waiting: row.waiting - 1, departed: row.departed + 1n }
        gone.push({ queueId, lane: "general", number: BigInt(number), seq: row.departed })
        break
      }
      case "admit": {
        if (!open()) break
        const next = waiting.toSorted((a, b) => place(a) - place(b))[0]
        if (next === undefined) break
        waiting.splice(waiting.indexOf(next), 1)
        row = { ...row, cursor: BigInt(place(next)), waiting: row.waiting - 1 }
        break
      }
      case "read":
        // Now and then a node restarts, without its snapshot.
        if (i % 7 === 0) view = new LiveQueue(reading(row))
        read()
    }
  }
  read()
}

describe("a position", () => {
  const histories = Arbitrary.array(Arbitrary.schema(Step), { maxLength: 120 })
  it.each([
    ["by order of joining", 0],
    ["with a draw after the first few joins", 20],
    ["with a draw after most joins", 70]
  ])("is that of a plain list, %s", (_, opensAfter) => {
    const sampled = Arbitrary.sampleEffect(histories, { count: 300, seed: "line" })
    const samples = Effect.runSync(sampled)
    expect(samples.length).toBe(300)
    for (const steps of samples) play(steps, opensAfter)
  })

  it("in the priority lane counts that lane alone", () => {
    const priority = { nextNumber: 4n, cursor: 1n, waiting: 2, headsLoadedTo: 1n }
    const view = new LiveQueue(reading(queueRow()))
    view.absorb(reading(queueRow({ nextNumber: 9n, waiting: 8, priority })))
    expect(view.statusOf(payloadOf(3, "priority"))).toMatchObject({ position: 2 })
    expect(view.statusOf(payloadOf(3))).toMatchObject({ position: 3 })
    expect(view.statusOf(payloadOf(1, "priority"))).toBeUndefined()
  })

  it("in the priority lane ignores departures of the general lane from before a draw", () => {
    const priority = { nextNumber: 2n, cursor: 0n, waiting: 1, headsLoadedTo: 0n }
    const opening = { opensAt: testStart, seed: "5eed".repeat(16), openedAt: null }
    const row = queueRow({ nextNumber: 2n, departed: 1n, priority, opening })
    const gone = { queueId, lane: "general" as const, number: 1n, seq: 1n }
    const view = new LiveQueue(reading(row))
    view.absorb(reading(row, { departures: [gone] }))
    expect(view.statusOf(payloadOf(1))).toMatchObject({ state: "left" })
    expect(view.statusOf(payloadOf(1, "priority"))).toMatchObject({ state: "waiting", position: 1 })
  })

  it("is lost when the queue is closed: waiting tokens expire", () => {
    const row = queueRow({ nextNumber: 3n, waiting: 2, mode: "closed" })
    const view = new LiveQueue(reading(row))
    view.absorb(reading(row))
    expect(view.statusOf(payloadOf(2))).toMatchObject({ state: "expired", position: 0 })
  })

  it("number and place are inverse to each other", () => {
    const drawn = { queueId, drawSize: 50n, opening: { opensAt: 0, seed: "ab", openedAt: 1 } }
    for (let number = 1n; number <= 60n; number++) {
      const place = placeOf(drawn, "general", number)
      expect(numberAt(drawn, "general", place)).toBe(number)
      if (number > 50n) expect(place).toBe(number)
      expect(placeOf(drawn, "priority", number)).toBe(number)
    }
  })
})

describe("departures from before a draw", () => {
  const [drawn, left] = [1_000_000, 200_000]
  /** Every fifth of a million users has left before the opening. */
  const departures = Array.from({ length: left }, (_, i) => ({
    queueId,
    lane: "general" as const,
    number: BigInt(1 + 5 * i),
    seq: BigInt(i + 1)
  }))
  const row = queueRow({
    nextNumber: BigInt(drawn + 1),
    waiting: drawn - left,
    departed: BigInt(left),
    drawSize: BigInt(drawn),
    opening: { opensAt: testStart, seed: "5eed".repeat(16), openedAt: testStart }
  })
  const next = (view: LiveQueue) => {
    const after = Number(view.after)
    return reading(row, { departures: departures.slice(after, after + departuresPerReading) })
  }

  it("are placed in short steps, and until then a position is an upper bound", {
    timeout: 60_000
  }, () => {
    const view = new LiveQueue(reading(row))
    const asked = [2, 3, 499_998, 999_999].map((number) => payloadOf(number))
    const ofOne = () => asked.map((payload) => view.statusOf(payload)!.position)
    const took: Array<number> = []
    let before = asked.map(() => Number.POSITIVE_INFINITY)
    const step = <A>(work: () => A): A => {
      const begun = performance.now()
      const answer = work()
      took.push(performance.now() - begun)
      const told = ofOne()
      for (const [i, position] of told.entries()) {
        expect(position).toBeLessThanOrEqual(before[i]!)
      }
      before = told
      return answer
    }
    for (let isRead = false; !isRead; ) {
      isRead = step(() => view.absorb(next(view)))
      // The snapshot knows who left, even before the departure has its place.
      expect(view.statusOf(payloadOf(5 * Number(view.after) - 4))).toMatchObject({ state: "left" })
      while (!step(() => view.placeSome()));
    }
    // A page of departures is read in a step, and then so many are placed in each.
    const pages = left / departuresPerReading + 1
    expect(took).toHaveLength(pages + left / 2_000 + 1)
    note(
      `${left} departures of ${drawn}: ${took.length} steps, the longest ` +
        `${Math.max(...took).toFixed(1)} ms, all ${took.reduce((a, b) => a + b).toFixed(0)} ms`
    )
    // Once all are placed, each position is that of a plain list.
    const { placeOf } = permutationOf({ queueId, seed: row.opening!.seed, drawn })
    const gone = new Set(departures.map(({ number }) => placeOf(Number(number))))
    for (const [i, payload] of asked.entries()) {
      const own = placeOf(Number(payload.entry!.number))
      let ahead = 0
      for (let place = 1; place < own; place++) if (!gone.has(place)) ahead++
      expect(before[i]).toBe(ahead + 1)
    }
  })
})

describe("the estimated wait", () => {
  const steady = (perSecond: number, seconds = 60) =>
    Array.from({ length: seconds }, (_, i) => ({
      at: testStart - (seconds - 1 - i) * 1_000,
      admitted: perSecond
    }))

  it("is given as soon as the admission rate is known", () => {
    const row = queueRow({ nextNumber: 2_001n, waiting: 2_000 })
    const view = new LiveQueue(reading(row))
    view.absorb(reading(row, { admissions: steady(50) }))
    const { p50Seconds, p90Seconds } = view.statusOf(payloadOf(1_000))!.estimatedWait!
    expect(p50Seconds).toBe(20)
    expect(p90Seconds).toBeGreaterThan(20)
    expect(p90Seconds).toBeLessThan(35)
  })

  it.each(["paused", "open"] as const)("is null while the queue admits no users: %s", (mode) => {
    const row = queueRow({ nextNumber: 5n, waiting: 4, mode })
    const grants = mode === "open" ? [] : steady(5)
    const view = new LiveQueue(reading(row))
    view.absorb(reading(row, { admissions: grants }))
    expect(view.statusOf(payloadOf(2))).toMatchObject({ estimatedWait: null })
  })

  it("of one lane counts the admissions of the other lane meanwhile", () => {
    const priority = { nextNumber: 1_001n, cursor: 0n, waiting: 1_000, headsLoadedTo: 0n }
    const row = queueRow({ nextNumber: 1_001n, waiting: 1_000, priority })
    const view = new LiveQueue(reading(row))
    view.absorb(reading(row, { admissions: steady(10) }))
    // One and one: the hundredth goes in as about the two hundredth of all.
    expect(view.statusOf(payloadOf(100))!.estimatedWait!.p50Seconds).toBe(20)
    expect(view.statusOf(payloadOf(100, "priority"))!.estimatedWait!.p50Seconds).toBe(20)
  })
})

describe("the poll delay", () => {
  it("grows with the wait, up to a point", () => {
    const mean = (wait: number) => {
      const hints = Array.from({ length: 2_000 }, (_, n) => pollAfterSeconds(wait, testId(n), 0))
      return hints.reduce((sum, hint) => sum + hint, 0) / hints.length
    }
    expect(mean(0)).toBe(1)
    expect(mean(40)).toBeCloseTo(10, 0)
    expect(mean(160)).toBeCloseTo(40, 0)
    expect(Math.round(mean(86_400) / 6)).toBe(10)
  })

  // Waits of those who are next, of those in front, and of those who have hours; and a whole line
  // of which each has a wait of their own. Over some three times what they are told to stay away.
  it.each([
    ["of 5 s", 6, () => 5],
    ["of 20 s", 15, () => 20],
    ["of a minute", 45, () => 60],
    ["of an hour", 150, () => 3_600],
    ["from none to half an hour", 150, (n: number) => n % 1_800]
  ])(
    "spreads a million who come back at once, with waits %s: twice the mean at most",
    {
      timeout: 30_000
    },
    (waits, seconds, waitOf) => {
      const users = 1_000_000
      const polls = new Int32Array(seconds)
      for (let n = 0; n < users; n++) {
        const tokenId = testId(n)
        const wait = waitOf(n)
        // All users poll at once, and then whenever their poll delay is over.
        for (let at = 0; ; ) {
          at += pollAfterSeconds(wait, tokenId, testStart + at * 1_000)
          if (at >= seconds) break
          polls[at]!++
        }
      }
      // Counts from the second of the first polls.
      const told = polls.subarray(polls.findIndex((count) => count > 0))
      const mean = told.reduce((sum, count) => sum + count, 0) / told.length
      const times = Math.max(...told) / mean
      note(`waits ${waits}: ${mean.toFixed(0)} polls a second, at most ${times.toFixed(2)} times`)
      expect(times).toBeLessThanOrEqual(2)
    }
  )
})
