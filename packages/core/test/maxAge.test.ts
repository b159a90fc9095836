import { it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import { describe, expect } from "vitest"
import { BoxOffice, BoxOfficeStore, layerOf } from "../src/index.ts"
import { layerMemory } from "../src/testing.ts"

/** Counts the reads of the store under the engine. */
const makeCounted = Effect.gen(function* () {
  const counts = { gates: 0, questions: 0, seats: 0, performances: 0 }
  const store = yield* BoxOfficeStore
  // A test can keep a reading of the dates on its way.
  const landing = {
    performances: yield* Deferred.make<void>(),
    tokens: yield* Deferred.make<void>()
  }
  yield* Deferred.succeed(landing.performances, undefined)
  yield* Deferred.succeed(landing.tokens, undefined)
  const counting = BoxOfficeStore.of({
    ...store,
    readTokens: (questions) => {
      counts.gates++
      counts.questions += questions.length
      return Effect.tap(store.readTokens(questions), () => Deferred.await(landing.tokens))
    },
    seats: (id, before) => {
      counts.seats++
      return store.seats(id, before)
    },
    performances: (id) => {
      counts.performances++
      return Effect.tap(store.performances(id), () => Deferred.await(landing.performances))
    }
  })
  const options = { signingKeys: { k: "freshness freshness freshness freshness" } }
  const engine = layerOf(options).pipe(Layer.provide(Layer.succeed(BoxOfficeStore, counting)))
  const office = yield* Effect.provideContext(BoxOffice, yield* Layer.build(engine))
  yield* office.queue.create({ queueId: "q" })
  yield* office.catalog.addShow({
    showId: "s",
    title: "Show",
    queueId: "q",
    salesOpenAt: null,
    salesCloseAt: null
  })
  const startsAt = new Date("2999-01-01T00:00:00Z")
  yield* office.catalog.addPerformance({
    performanceId: "p",
    showId: "s",
    startsAt,
    timeZone: "UTC"
  })
  const price = { amount: 1n, currency: "KRW" }
  const seats = ["1", "2", "3"].map((number) => ({
    seatId: number,
    section: "A",
    row: "1",
    number,
    price
  }))
  yield* office.catalog.addSeats({ performanceId: "p", seats })
  const join = (userId: string) =>
    Effect.map(office.queue.join({ queueId: "q", userId }), ({ token }) => ({
      userId,
      queueToken: token
    }))
  /** How many seats the dates of the show say are free. */
  const freeSeats = (caller: { readonly userId: string; readonly queueToken: string }) =>
    Effect.map(
      office.catalog.availableDates({ ...caller, showId: "s" }),
      ({ dates }) => dates[0]?.performances[0]?.availableSeats
    )
  return { counts, landing, office, join, freeSeats, store }
}).pipe(Effect.provide(layerMemory))

describe("reads from memory", () => {
  it.effect("256 readers at once: one read of all tokens, one read of the seats", () =>
    Effect.gen(function* () {
      const { counts, office, join } = yield* makeCounted
      const callers = yield* Effect.forEach(
        Array.from({ length: 256 }, (_, i) => `u${i}`),
        join
      )
      const readAll = Effect.forEach(
        callers,
        (caller) => office.catalog.availableSeats({ ...caller, performanceId: "p" }),
        { concurrency: "unbounded" }
      )
      const maps = yield* readAll
      expect(new Set(maps).size).toBe(1)
      expect(counts).toMatchObject({ gates: 1, questions: 256, seats: 1 })
      yield* readAll
      expect(counts).toMatchObject({ gates: 1, seats: 1 })
      yield* TestClock.adjust("1 second")
      yield* readAll
      expect(counts).toMatchObject({ gates: 2, seats: 2 })
    })
  )

  it.effect("a node reads its own writes: holds in maps and dates, and the end of a token", () =>
    Effect.gen(function* () {
      const { office, join } = yield* makeCounted
      const ada = yield* join("ada")
      const free = Effect.all([
        Effect.map(
          office.catalog.availableSeats({ ...ada, performanceId: "p" }),
          (map) => map.seats.length
        ),
        Effect.map(
          office.catalog.availableDates({ ...ada, showId: "s" }),
          ({ dates }) => dates[0]?.performances[0]?.availableSeats
        )
      ])
      expect(yield* free).toEqual([3, 3])
      yield* office.reservations.hold({ ...ada, performanceId: "p", seatIds: ["1"] })
      expect(yield* free).toEqual([2, 2])
      yield* office.queue.leave(ada)
      const refused = yield* Effect.flip(free)
      expect(refused._tag).toBe("QueueTokenExpired")
    })
  )

  it.effect("a hold during the very first reading of the dates is seen by the next", () =>
    Effect.gen(function* () {
      const { counts, landing, office, join, freeSeats } = yield* makeCounted
      const ada = yield* join("ada")
      const free = freeSeats(ada)
      landing.performances = yield* Deferred.make<void>()
      const first = yield* Effect.forkChild(free)
      while (counts.performances === 0) yield* Effect.yieldNow
      yield* office.reservations.hold({ ...ada, performanceId: "p", seatIds: ["1"] })
      yield* Deferred.succeed(landing.performances, undefined)
      expect(yield* Fiber.join(first)).toBe(3)
      expect(yield* free).toBe(2)
    })
  )

  it.effect("dates whose first reader has gone still show a hold of this node at once", () =>
    Effect.gen(function* () {
      const { counts, landing, office, join, freeSeats } = yield* makeCounted
      const ada = yield* join("ada")
      const free = freeSeats(ada)
      landing.performances = yield* Deferred.make<void>()
      const first = yield* Effect.forkChild(free)
      while (counts.performances === 0) yield* Effect.yieldNow
      yield* Fiber.interrupt(first)
      yield* Deferred.succeed(landing.performances, undefined)
      yield* Effect.yieldNow
      yield* office.reservations.hold({ ...ada, performanceId: "p", seatIds: ["1"] })
      expect(yield* free).toBe(2)
    })
  )

  it.effect("a reading of a token is not kept if it was begun before a change of that token", () =>
    Effect.gen(function* () {
      const { counts, landing, office, join } = yield* makeCounted
      const [ada, bob] = [yield* join("ada"), yield* join("bob")]
      landing.tokens = yield* Deferred.make<void>()
      const balances = yield* Effect.forkChild(
        Effect.all([office.wallet.balance(ada), office.wallet.balance(bob)], {
          concurrency: "unbounded"
        })
      )
      while (counts.gates === 0) yield* Effect.yieldNow
      yield* office.queue.leave(ada)
      // Others who join and leave meanwhile change nothing for Bob.
      yield* office.queue.leave(yield* join("eve"))
      yield* Deferred.succeed(landing.tokens, undefined)
      yield* Fiber.join(balances)
      const before = counts.gates
      expect((yield* Effect.flip(office.wallet.balance(ada)))._tag).toBe("QueueTokenExpired")
      yield* office.wallet.balance(bob)
      expect(counts.gates - before).toBeLessThanOrEqual(1)
    })
  )

  it.effect("a hold that lapses shows in a map that is still fresh", () =>
    Effect.gen(function* () {
      const { counts, office, join } = yield* makeCounted
      const ada = yield* join("ada")
      const read = office.catalog.availableSeats({ ...ada, performanceId: "p" })
      yield* office.reservations.hold({ ...ada, performanceId: "p", seatIds: ["1"] })
      yield* TestClock.adjust("299500 millis")
      const before = yield* read
      yield* TestClock.adjust("499 millis")
      expect(yield* read).toBe(before)
      yield* TestClock.adjust("1 millis")
      const after = yield* read
      expect(after.seats.length).toBe(before.seats.length + 1)
      expect(after.version).toBeGreaterThan(before.version)
      expect(counts.seats).toBe(1)
    })
  )

  it.effect("an end that another node made is seen after the window, and no later", () =>
    Effect.gen(function* () {
      const { office, join, store } = yield* makeCounted
      const other = yield* Effect.provideContext(
        BoxOffice,
        yield* Layer.build(
          layerOf({ signingKeys: { k: "freshness freshness freshness freshness" } }).pipe(
            Layer.provide(Layer.succeed(BoxOfficeStore, store))
          )
        )
      )
      const ada = yield* join("ada")
      const read = office.catalog.availableSeats({ ...ada, performanceId: "p" })
      yield* read
      yield* other.queue.leave(ada)
      yield* read
      // An operation that changes something always reads the token.
      const hold = office.reservations.hold({ ...ada, performanceId: "p", seatIds: ["1"] })
      expect((yield* Effect.flip(hold))._tag).toBe("QueueTokenExpired")
      yield* TestClock.adjust("1 second")
      expect((yield* Effect.flip(read))._tag).toBe("QueueTokenExpired")
    })
  )

  it.effect("a performance that begins leaves a list of dates that is still fresh", () =>
    Effect.gen(function* () {
      const { counts, office, join } = yield* makeCounted
      const soon = new Date(1_500)
      yield* office.catalog.addPerformance({
        performanceId: "soon",
        showId: "s",
        startsAt: soon,
        timeZone: "UTC"
      })
      const price = { amount: 1n, currency: "KRW" }
      const seats = [{ seatId: "1", section: "A", row: "1", number: "1", price }]
      yield* office.catalog.addSeats({ performanceId: "soon", seats })
      const ada = yield* join("ada")
      const read = office.catalog.availableDates({ ...ada, showId: "s" })
      yield* TestClock.adjust("1 second")
      const before = yield* read
      yield* TestClock.adjust("499 millis")
      expect(yield* read).toBe(before)
      yield* TestClock.adjust("1 millis")
      expect((yield* read).dates.length).toBe(before.dates.length - 1)
      expect(counts.performances).toBe(1)
    })
  )

  it.effect("readings in memory are only for users whose admission the node knows", () =>
    Effect.gen(function* () {
      const { office, join } = yield* makeCounted
      const ada = yield* join("ada")
      const read = (caller: { readonly userId: string; readonly queueToken?: string }) =>
        office.catalog.availableSeats({ ...caller, performanceId: "p" })
      yield* read(ada)
      yield* read(ada)
      const refusals = yield* Effect.forEach(
        [
          { userId: "ada" },
          { userId: "eve", queueToken: ada.queueToken },
          { userId: "ada", queueToken: `${ada.queueToken.slice(0, -1)}_` },
          { userId: "", queueToken: ada.queueToken }
        ],
        (caller) => Effect.flip(read(caller))
      )
      expect(refusals.map(({ _tag }) => _tag)).toEqual([
        "QueueTokenRequired",
        "QueueTokenInvalid",
        "QueueTokenInvalid",
        "RequestInvalid"
      ])
    })
  )
})
