import { describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import { expect } from "vitest"
import { BoxOffice, layerOf, Overloaded, StoreUnavailable } from "../src/index.ts"
import {
  arranging,
  Failures,
  layerFailures,
  layerMemory,
  makeTestOffice,
  testStart,
  won
} from "../src/testing.ts"
import { signingKeys } from "./support.ts"

const rejection = (promise: Promise<unknown>): Promise<Error> =>
  promise.then(
    () => expect.unreachable(),
    (error) => error
  )

describe("the clock of a test office", () => {
  it("stands still at the instant it was made with", async () => {
    await using office = await makeTestOffice({ now: "2031-05-06T07:08:09Z" })
    const hold = await office.arrange.hold()
    expect(hold.heldAt).toEqual(new Date("2031-05-06T07:08:09Z"))
    expect(hold.holdExpiresInSeconds).toBe(300)
    expect(office.clock.now()).toEqual(hold.heldAt)
    await using other = await makeTestOffice()
    expect(other.clock.now()).toEqual(new Date(testStart))
  })

  it("lets time pass, exactly", async () => {
    await using office = await makeTestOffice()
    const { reservationId, userId, holdExpiresAt } = await office.arrange.hold()
    const status = async () => (await office.reservations.get({ userId, reservationId })).status
    await office.clock.advance(299_999)
    expect(await status()).toBe("held")
    await office.clock.advance("1 milli")
    expect(await status()).toBe("expired")
    expect(office.clock.now()).toEqual(holdExpiresAt)
    await office.clock.set("2030-01-02T00:00:00Z")
    expect(office.clock.now()).toEqual(new Date("2030-01-02T00:00:00Z"))
  })

  it("runs the timers that become due", async () => {
    await using office = await makeTestOffice({ sweepEvery: "1 second" })
    await office.arrange.queue({ settings: { maxActive: 1, sessionSeconds: 60 } })
    await office.arrange.admitted("ada")
    const { token } = await office.queue.join({ queueId: "main", userId: "grace" })
    const watch = office.queue.changes({ userId: "grace", queueToken: token })
    const statuses = watch[Symbol.asyncIterator]()
    expect((await statuses.next()).value).toMatchObject({ state: "waiting" })
    const next = statuses.next()
    await office.clock.advance("2 minutes")
    expect((await next).value).toMatchObject({ state: "admitted" })
  })
})

describe("arrange", () => {
  it("creates the items that an item needs, once", async () => {
    await using office = await makeTestOffice()
    const first = await office.arrange.hold({ userId: "ada", seatIds: ["A1", "A2"] })
    expect(first).toMatchObject({ performanceId: "gala-1", userId: "ada", amount: won(220_000) })
    const second = await office.arrange.hold({ userId: "grace", seatIds: ["A3"] })
    expect(second.performanceId).toBe("gala-1")
    await office.arrange.charged("ada", won(5))
    expect((await office.arrange.charged("ada", won(5))).balance).toEqual(won(10))
    expect((await office.queue.list({})).items).toMatchObject([{ queueId: "main", active: 2 }])
  })

  it("uses the given values, and those of the last item", async () => {
    await using office = await makeTestOffice({ policies: { currency: "EUR" } })
    await office.arrange.queue({ queueId: "vip", settings: { maxActive: 7 } })
    const show = await office.arrange.show({ showId: "opera", title: "Opera" })
    expect(show).toMatchObject({ showId: "opera", title: "Opera", queueId: "vip" })
    const price = { amount: 4_200n, currency: "EUR" }
    const performance = await office.arrange.performance({
      seats: [
        "B7",
        { seatId: "C1", section: "Box", row: "C", number: "1", price: { ...price, amount: 0n } }
      ],
      price,
      startsAt: new Date("2030-03-01T19:30:00Z"),
      timeZone: "Europe/Vienna"
    })
    expect(performance).toEqual({
      performanceId: "opera-1",
      showId: "opera",
      seatIds: ["B7", "C1"]
    })
    const ada = await office.arrange.admitted("ada")
    const { seats } = await office.catalog.availableSeats({ ...ada, ...performance })
    expect(seats.map(({ seatId, price }) => [seatId, price.amount])).toEqual([
      ["B7", 4_200n],
      ["C1", 0n]
    ])
    expect((await office.arrange.performance({ seats: 2 })).performanceId).toBe("opera-2")
    expect(await office.arrange.hold({ userId: "ada" })).toMatchObject({ performanceId: "opera-2" })
  })

  it("rejects if a user cannot be admitted, or an item exists already", async () => {
    await using office = await makeTestOffice()
    await office.arrange.queue({ settings: { maxActive: 1 } })
    await office.arrange.admitted("ada")
    const full = await rejection(office.arrange.admitted("grace"))
    expect(full.message).toBe("grace is waiting, at 1: the queue has no room.")
    const other = office.arrange.queue({ settings: { maxActive: 2 } })
    expect(await rejection(other)).toMatchObject({ code: "already_exists" })
  })
})

describe("failures", () => {
  const open = async () => {
    const office = await makeTestOffice({ policies: { gate: [] } })
    const charge = (idempotencyKey?: string, userId = "ada") =>
      office.wallet.charge({ userId, amount: won(100), idempotencyKey })
    const balance = async () => (await office.wallet.balance({ userId: "ada" })).balance.amount
    return { office, charge, balance }
  }

  it("fail the next commit, before it happens", async () => {
    const { office, charge, balance } = await open()
    await using _ = office
    office.failures.failNextCommit()
    expect(await rejection(charge("k"))).toMatchObject({
      code: "store_unavailable",
      retryable: true
    })
    expect(await balance()).toBe(0n)
    office.failures.failNextCommit({ retryable: false })
    expect(await rejection(charge("k"))).toMatchObject({ retryable: false })
    expect((await charge("k")).balance).toEqual(won(100))
  })

  it("lose the answer of the next commit: a retry with the key finds it", async () => {
    const { office, charge, balance } = await open()
    await using _ = office
    office.failures.loseNextAnswer()
    expect(await rejection(charge("k"))).toMatchObject({ retryable: true })
    expect(await balance()).toBe(100n)
    expect((await charge("k")).balance).toEqual(won(100))
    // Without a key, the retry runs the command twice.
    office.failures.loseNextAnswer()
    await rejection(charge())
    await charge()
    expect(await balance()).toBe(300n)
  })

  it("refuse the next batch, all of it", async () => {
    const { office, charge, balance } = await open()
    await using _ = office
    office.failures.refuseNextCommand({ retryAfterSeconds: 7 })
    const errors = await Promise.all([rejection(charge("1")), rejection(charge("2"))])
    for (const error of errors) {
      expect(error).toBeInstanceOf(Overloaded)
      expect(JSON.parse(JSON.stringify(error))).toEqual({
        _tag: "Overloaded",
        code: "overloaded",
        message: "Too many requests are waiting: try again in 7 s.",
        retryAfterSeconds: 7
      })
    }
    expect(await balance()).toBe(0n)
    await charge("1")
  })

  it("make the store fail for a while, or until it is brought back", async () => {
    const { office, charge, balance } = await open()
    await using _ = office
    office.failures.takeStoreAway({ for: "10 seconds" })
    const calls = [charge("k"), balance(), office.queue.get("main"), office.ping()]
    for (const error of await Promise.all(calls.map(rejection))) {
      expect(error).toBeInstanceOf(StoreUnavailable)
    }
    await office.clock.advance("9999 millis")
    await rejection(office.ping())
    await office.clock.advance("1 milli")
    await office.ping()
    office.failures.takeStoreAway()
    await office.clock.advance("1 day")
    await rejection(office.ping())
    office.failures.bringStoreBack()
    expect((await charge("k")).balance).toEqual(won(100))
  })

  it("slow commits down, by the clock of the test", async () => {
    const { office, charge } = await open()
    await using _ = office
    office.failures.slowCommits("2 seconds")
    let done = false
    const slow = charge("k").then((charged) => {
      done = true
      return charged
    })
    await office.clock.advance("1 second")
    expect(done).toBe(false)
    // Aborting the call does not undo the commit.
    const controller = new AbortController()
    const given = office.wallet.charge(
      { userId: "ada", amount: won(100), idempotencyKey: "k" },
      { signal: controller.signal }
    )
    controller.abort()
    expect(await rejection(given)).toMatchObject({ name: "AbortError" })
    await office.clock.advance("1 second")
    expect((await slow).balance).toEqual(won(100))
  })

  it("delay a commit no longer than until the office closes", async () => {
    const { office, charge } = await open()
    office.failures.slowCommits("1 day")
    const slow = charge("k")
    await new Promise((taken) => setImmediate(taken))
    await office.close()
    expect((await slow).balance).toEqual(won(100))
  })

  it("are over when cleared", async () => {
    const { office, charge } = await open()
    await using _ = office
    office.failures.failNextCommit()
    office.failures.takeStoreAway()
    office.failures.slowCommits("1 day")
    office.failures.clear()
    expect((await charge("k")).balance).toEqual(won(100))
  })
})

it("an admitted user reads the last dates and seats while the store is away, for a minute", async () => {
  await using office = await makeTestOffice()
  const { showId, performanceId } = await office.arrange.performance()
  const ada = await office.arrange.admitted()
  const seats = await office.catalog.availableSeats({ ...ada, performanceId })
  const dates = await office.catalog.availableDates({ ...ada, showId })
  office.failures.takeStoreAway()
  await office.clock.advance("59 seconds")
  // With the time of the reading in `asOf`.
  expect(await office.catalog.availableSeats({ ...ada, performanceId })).toEqual(seats)
  expect(await office.catalog.availableDates({ ...ada, showId })).toEqual(dates)
  await office.clock.advance("1 second")
  const late = await rejection(office.catalog.availableSeats({ ...ada, performanceId }))
  expect(late).toMatchObject({ code: "store_unavailable" })
})

it("no clock stands at what is no instant", async () => {
  await expect(makeTestOffice({ now: "yesterday" as never })).rejects.toThrow("now: expected")
  await using office = await makeTestOffice()
  expect(() => office.clock.set("yesterday")).toThrow("clock.set: expected an instant such as")
})

describe("with Effect", () => {
  const Office = layerOf({ signingKeys, policies: { gate: [] } }).pipe(
    Layer.provideMerge(layerFailures),
    Layer.provide(layerMemory)
  )

  it.effect("failures and arranging are services, and the clock is the test's", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(testStart)
      const { wallet, reservations } = yield* BoxOffice
      const failures = yield* Failures
      const arrange = yield* arranging
      const { reservationId, userId } = yield* arrange.hold()
      failures.slowCommits("1 minute")
      const charge = yield* Effect.forkChild(wallet.charge({ userId, amount: won(1) }))
      yield* TestClock.adjust("1 minute")
      expect((yield* Fiber.join(charge)).balance).toEqual(won(1))
      failures.clear()
      failures.loseNextAnswer()
      const lost = { userId, amount: won(1), idempotencyKey: "k" }
      expect(yield* Effect.flip(wallet.charge(lost))).toBeInstanceOf(StoreUnavailable)
      expect((yield* wallet.charge(lost)).balance).toEqual(won(2))
      yield* TestClock.adjust("4 minutes")
      expect((yield* reservations.get({ userId, reservationId })).status).toBe("expired")
    }).pipe(Effect.provide(Office))
  )
})

it("events are consumed, listed, set back and pruned, as from any office", async () => {
  await using office = await makeTestOffice()
  const { events } = office
  await office.arrange.hold()
  const stop = new AbortController()
  const seen: Array<string> = []
  for await (const { event } of events.consume("crm", { signal: stop.signal })) {
    seen.push(event._tag)
    if (event._tag === "SeatsHeld") stop.abort()
  }
  expect(seen.at(-1)).toBe("SeatsHeld")
  expect(await events.consumers()).toMatchObject([{ consumer: "crm", batchesBehind: 0 }])
  await office.clock.advance("1 hour")
  expect(await events.prune({ olderThanMs: 60_000 })).toBeGreaterThan(0)
  expect(await events.recover()).toEqual([])
  await events.reset("crm", "beginning")
  await events.remove("crm")
  expect(await events.consumers()).toEqual([])
})

it("a store that is down is down for events, too", async () => {
  await using office = await makeTestOffice()
  office.failures.takeStoreAway()
  expect(await rejection(office.events.consumers())).toBeInstanceOf(StoreUnavailable)
})
