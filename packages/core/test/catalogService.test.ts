import { setTimeout } from "node:timers/promises"
import { describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Logger, Stream } from "effect"
import { TestClock } from "effect/testing"
import { expect } from "vitest"
import {
  AlreadyExists,
  BoxOfficeStore,
  HoldExpired,
  LimitExceeded,
  layerOf,
  layerSweeper,
  Overloaded,
  PaymentNotFound,
  PerformanceNotFound,
  QueueClosed,
  QueueNotFound,
  QueueTokenExpired,
  QueueTokenInvalid,
  QueueTokenRequired,
  QueueTokenWaiting,
  QueueTokenWrongQueue,
  RequestInvalid,
  ReservationNotFound,
  SeatNotFound,
  SeatUnavailable,
  ShowNotFound,
  StoreUnavailable,
  sweep
} from "../src/index.ts"
import { layerMemory, testStart, won } from "../src/testing.ts"
import { engine, gala, openOffice, seatIds, signingKeys } from "./support.ts"

/** Where the problems of an input are, each place once. */
const problems = <A, E>(effect: Effect.Effect<A, E>) =>
  Effect.map(Effect.flip(effect), (error) => {
    expect(error).toBeInstanceOf(RequestInvalid)
    return [...new Set((error as unknown as RequestInvalid).errors.map(({ path }) => path))]
  })

describe("the queue", () => {
  it.effect("admits at once while there is room, then in order", () =>
    Effect.gen(function* () {
      const office = yield* openOffice({ maxActive: 1 })
      const ada = yield* office.queue.join({ queueId: "main", userId: "ada" })
      expect(ada).toMatchObject({ state: "admitted", position: 0, created: true })
      expect(ada.expiresAt).toEqual(new Date(testStart + 600_000))
      const bob = yield* office.caller("bob")
      const cyd = yield* office.caller("cyd")
      expect(yield* office.queue.status(bob)).toMatchObject({ state: "waiting", position: 1 })
      expect(yield* office.queue.status(cyd)).toMatchObject({ position: 2, ahead: 1 })
      yield* office.queue.leave({ userId: "ada", queueToken: ada.token })
      // Cyd asks first, but Bob is next.
      expect(yield* office.queue.status(cyd)).toMatchObject({ state: "waiting", position: 1 })
      expect(yield* office.queue.status(bob)).toMatchObject({ state: "admitted", position: 0 })
      expect(yield* office.queue.get("main")).toMatchObject({ waiting: 1, active: 1 })
    }).pipe(Effect.provide(engine()))
  )

  it.effect("gives one token to a user, however often they ask at once", () =>
    Effect.gen(function* () {
      const office = yield* openOffice({ maxActive: 1 })
      const joined = yield* Effect.all(
        Array.from({ length: 200 }, () => office.queue.join({ queueId: "main", userId: "ada" })),
        { concurrency: "unbounded" }
      )
      expect(new Set(joined.map(({ token }) => token)).size).toBe(1)
      expect(joined.filter(({ created }) => created)).toHaveLength(1)
    }).pipe(Effect.provide(engine()))
  )

  it.effect("goes on admitting past the cap of a minute and past the session time", () =>
    Effect.gen(function* () {
      const office = yield* openOffice({ maxActive: 3, admitPerMinute: 2, sessionSeconds: 50 })
      const names = Array.from({ length: 6 }, (_, i) => `user-${i}`)
      const callers = yield* Effect.forEach(names, (name) => office.caller(name))
      const states = Effect.forEach(callers, (caller) =>
        Effect.map(office.queue.status(caller), ({ state }) => state[0])
      )
      // W(aiting), A(dmitted), E(xpired): two a minute, three at once.
      const after = (ms: number) => Effect.andThen(TestClock.adjust(ms), states)
      expect((yield* states).join("")).toBe("aawwww")
      expect((yield* after(49_999)).join("")).toBe("aawwww")
      expect((yield* after(1)).join("")).toBe("eewwww")
      expect((yield* after(9_999)).join("")).toBe("eewwww")
      expect((yield* after(1)).join("")).toBe("eeaaww")
      expect((yield* after(60_000)).join("")).toBe("eeeeaa")
    }).pipe(Effect.provide(engine()))
  )

  it.effect("expires a user who does not show up, and admits the next", () =>
    Effect.gen(function* () {
      const office = yield* openOffice({ maxActive: 1, claimSeconds: 10, sessionSeconds: 600 })
      const ada = yield* office.caller("ada")
      const bob = yield* office.caller("bob")
      const cyd = yield* office.caller("cyd")
      yield* office.queue.leave(ada)
      // Only the sweeper runs: Bob has ten seconds.
      yield* office.queue.advance("main" as never)
      yield* TestClock.adjust(9_999)
      expect((yield* office.queue.status(cyd)).state).toBe("waiting")
      yield* TestClock.adjust(1)
      expect((yield* office.queue.status(cyd)).state).toBe("admitted")
      expect((yield* office.queue.status(bob)).state).toBe("expired")
      expect(yield* Effect.flip(office.wallet.balance(bob))).toEqual(
        new QueueTokenExpired({ state: "expired" })
      )
    }).pipe(Effect.provide(engine()))
  )

  it.effect("begins the session of a user who shows up within the claim window", () =>
    Effect.gen(function* () {
      const office = yield* openOffice({ maxActive: 1, claimSeconds: 10, sessionSeconds: 600 })
      const ada = yield* office.caller("ada")
      const bob = yield* office.caller("bob")
      yield* office.queue.leave(ada)
      yield* office.queue.advance("main" as never)
      yield* TestClock.adjust(9_999)
      const { expiresAt } = yield* office.queue.status(bob)
      expect(expiresAt).toEqual(new Date(testStart + 9_999 + 600_000))
    }).pipe(Effect.provide(engine()))
  )

  it.effect("keeps a session alive by use, not by polling", () =>
    Effect.gen(function* () {
      const office = yield* openOffice({ sessionSeconds: 100 })
      const ada = yield* office.caller("ada")
      yield* TestClock.adjust("99 seconds")
      yield* office.wallet.balance(ada)
      yield* TestClock.adjust("99 seconds")
      yield* office.wallet.charge({ ...ada, amount: won(1) })
      yield* TestClock.adjust("99 seconds")
      expect((yield* office.queue.status(ada)).state).toBe("admitted")
      yield* TestClock.adjust("1 second")
      expect((yield* office.queue.status(ada)).state).toBe("expired")
    }).pipe(Effect.provide(engine()))
  )

  it.effect("closes, opens and drains", () =>
    Effect.gen(function* () {
      const office = yield* openOffice({ maxActive: 1 })
      const ada = yield* office.caller("ada")
      const bob = yield* office.caller("bob")
      const cyd = yield* office.caller("cyd")
      expect((yield* office.queue.setMode("main", "paused")).mode).toBe("paused")
      yield* office.queue.leave(ada)
      expect((yield* office.queue.status(bob)).state).toBe("waiting")
      const join = office.queue.join({ queueId: "main", userId: "dee" })
      expect(yield* Effect.flip(join)).toEqual(new QueueClosed({ mode: "paused" }))
      yield* office.queue.setMode("main", "draining")
      expect((yield* office.queue.status(bob)).state).toBe("admitted")
      expect(yield* Effect.flip(join)).toEqual(new QueueClosed({ mode: "draining" }))
      yield* office.queue.leave(bob)
      expect((yield* office.queue.status(cyd)).state).toBe("admitted")
      yield* office.queue.setMode("main", "open")
      expect((yield* join).state).toBe("waiting")
    }).pipe(Effect.provide(engine()))
  )

  it.effect("takes new settings from the next admission on", () =>
    Effect.gen(function* () {
      const office = yield* openOffice({ maxActive: 1 })
      yield* office.caller("ada")
      const bob = yield* office.caller("bob")
      const changed = yield* office.queue.configure("main", { maxActive: 2 })
      expect(changed.settings).toMatchObject({ maxActive: 2, sessionSeconds: 600 })
      expect((yield* office.queue.status(bob)).state).toBe("admitted")
      expect(yield* problems(office.queue.configure("main", { maxActive: 0 }))).toEqual([
        "maxActive"
      ])
      expect(yield* Effect.flip(office.queue.configure("vip", {}))).toBeInstanceOf(QueueNotFound)
    }).pipe(Effect.provide(engine()))
  )

  it.effect("streams every change until the token has ended, and nothing else", () =>
    Effect.gen(function* () {
      const office = yield* openOffice({ maxActive: 1, sessionSeconds: 60 })
      const ada = yield* office.caller("ada")
      const bob = yield* office.caller("bob")
      const cyd = yield* office.caller("cyd")
      const seen: Array<readonly [string, number]> = []
      const watching = yield* Effect.forkChild(
        Stream.runForEach(office.queue.changes(cyd), ({ state, position }) =>
          Effect.sync(() => seen.push([state, position]))
        )
      )
      // Readings rest by the machine's own timer, which the time that is set here cannot hurry.
      const untilTold = (count: number) =>
        Effect.gen(function* () {
          for (let step = 0; seen.length < count && step < 200; step++) {
            yield* TestClock.adjust("100 millis")
            yield* Effect.promise(() => setTimeout(5))
          }
        })
      yield* untilTold(1)
      yield* office.queue.leave(bob)
      yield* untilTold(2)
      yield* office.queue.leave(ada)
      yield* untilTold(3)
      expect(seen).toEqual([
        ["waiting", 2],
        ["waiting", 1],
        ["admitted", 0]
      ])
      yield* TestClock.adjust("1 minute")
      yield* untilTold(4)
      yield* Fiber.join(watching)
      expect(seen.slice(3)).toEqual([["expired", 0]])
    }).pipe(Effect.provide(engine()))
  )

  it.effect("knows its own tokens only", () =>
    Effect.gen(function* () {
      const office = yield* openOffice()
      const { queueToken } = yield* office.caller("ada")
      const { queue } = office
      for (const ask of [queue.status, queue.leave]) {
        expect(yield* Effect.flip(ask({ userId: "ada" }))).toBeInstanceOf(QueueTokenRequired)
        expect(yield* Effect.flip(ask({ userId: "bob", queueToken }))).toBeInstanceOf(
          QueueTokenInvalid
        )
        for (const queueId of ["vip", "no such name"]) {
          expect(yield* Effect.flip(ask({ userId: "ada", queueToken, queueId }))).toBeInstanceOf(
            QueueTokenWrongQueue
          )
        }
        yield* ask({ userId: "ada", queueToken, queueId: "main" })
      }
      for (const queueId of ["vip", "no such name", "x".repeat(256)]) {
        expect(yield* Effect.flip(queue.join({ queueId, userId: "ada" }))).toBeInstanceOf(
          QueueNotFound
        )
        expect(yield* Effect.flip(queue.get(queueId))).toBeInstanceOf(QueueNotFound)
        expect(yield* Effect.flip(queue.setMode(queueId, "open"))).toBeInstanceOf(QueueNotFound)
      }
    }).pipe(Effect.provide(engine()))
  )

  it.effect("is made once, and found in pages", () =>
    Effect.gen(function* () {
      const { queue } = yield* openOffice()
      const other = queue.create({ queueId: "main", settings: { maxActive: 7 } })
      expect(yield* Effect.flip(other)).toEqual(new AlreadyExists({ kind: "queue" }))
      expect(yield* queue.create({ queueId: "main" })).toMatchObject({ created: false })
      yield* queue.create({ queueId: "aisle", settings: { maxActive: 7 } })
      yield* queue.create({ queueId: "vip" })
      const first = yield* queue.list({ limit: 2 })
      expect(first.items.map(({ queueId }) => queueId)).toEqual(["aisle", "main"])
      expect(first.items[0]!.settings.maxActive).toBe(7)
      const second = yield* queue.list({ limit: 2, after: first.next! })
      expect(second).toMatchObject({ items: [{ queueId: "vip" }], next: null })
      for (const queueId of ["", "a b", ".a", "x".repeat(65), "é"]) {
        expect(yield* problems(queue.create({ queueId }))).toEqual(["queueId"])
      }
      expect(yield* problems(queue.list({ limit: 201 }))).toEqual(["limit"])
      expect(yield* problems(queue.list({ limit: 0 }))).toEqual(["limit"])
    }).pipe(Effect.provide(engine()))
  )
})

describe("the gate", () => {
  it.effect("is in front of all that is about a show, by the show's own queue", () =>
    Effect.gen(function* () {
      const office = yield* openOffice()
      yield* office.queue.create({ queueId: "vip" })
      const ada = yield* office.caller("ada")
      const { reservationId } = yield* office.reservations.hold({
        ...ada,
        performanceId: "gala-1",
        seatIds: ["A1"]
      })
      const wrong = yield* office.caller("ada", "vip")
      const refusals = [
        yield* Effect.flip(office.catalog.availableDates({ ...wrong, showId: "gala" })),
        yield* Effect.flip(office.catalog.availableSeats({ ...wrong, performanceId: "gala-1" })),
        yield* Effect.flip(
          office.reservations.hold({ ...wrong, performanceId: "gala-1", seatIds: ["A2"] })
        ),
        yield* Effect.flip(office.payments.pay({ ...wrong, reservationId }))
      ]
      for (const refusal of refusals) {
        expect(refusal).toEqual(new QueueTokenWrongQueue({ requiredQueueId: "main" as never }))
      }
      // A wallet is behind no queue of its own: any will do.
      yield* office.wallet.charge({ ...wrong, amount: won(1) })
      expect((yield* office.wallet.balance(wrong)).balance).toEqual(won(1))
      // Whose reservation it is does not show through the gate.
      const grace = yield* office.caller("grace", "vip")
      expect(yield* Effect.flip(office.payments.pay({ ...grace, reservationId }))).toBeInstanceOf(
        ReservationNotFound
      )
    }).pipe(Effect.provide(engine()))
  )

  it.effect("refuses a waiting user with the position, at each operation", () =>
    Effect.gen(function* () {
      const office = yield* openOffice({ maxActive: 1 })
      yield* office.caller("ada")
      const bob = yield* office.caller("bob")
      const refusals = [
        yield* Effect.flip(office.catalog.availableDates({ ...bob, showId: "gala" })),
        yield* Effect.flip(office.wallet.balance(bob)),
        yield* Effect.flip(office.wallet.charge({ ...bob, amount: won(1) }))
      ]
      for (const refusal of refusals) {
        expect(refusal).toBeInstanceOf(QueueTokenWaiting)
        expect(refusal).toMatchObject({ state: "waiting", position: 1, pollAfterSeconds: 1 })
      }
    }).pipe(Effect.provide(engine()))
  )

  it.effect("does not apply to charges by the operator, who is in no queue", () =>
    Effect.gen(function* () {
      const office = yield* openOffice({ maxActive: 1 })
      const { userId } = yield* office.caller("ada")
      expect(yield* Effect.flip(office.wallet.charge({ userId, amount: won(1) }))).toBeInstanceOf(
        QueueTokenRequired
      )
      const byOperator = { userId, amount: won(1), byOperator: true }
      expect((yield* office.wallet.charge(byOperator)).balance).toEqual(won(1))
      const stranger = { ...byOperator, userId: "bob" }
      expect((yield* office.wallet.charge(stranger)).balance).toEqual(won(1))
    }).pipe(Effect.provide(engine()))
  )

  it.effect("comes before what is not found", () =>
    Effect.gen(function* () {
      const office = yield* openOffice()
      const { queueToken } = yield* office.caller("ada")
      const thief = { userId: "eve", queueToken }
      const refusals = [
        yield* Effect.flip(office.catalog.availableDates({ ...thief, showId: "none" })),
        yield* Effect.flip(office.catalog.availableSeats({ ...thief, performanceId: "none" })),
        yield* Effect.flip(
          office.reservations.hold({ ...thief, performanceId: "none", seatIds: ["A1"] })
        ),
        yield* Effect.flip(office.payments.pay({ ...thief, reservationId: "none" }))
      ]
      for (const refusal of refusals) expect(refusal).toBeInstanceOf(QueueTokenInvalid)
    }).pipe(Effect.provide(engine()))
  )
})

describe("the catalogue", () => {
  const at = (instant: string) => TestClock.setTime(Date.parse(instant))
  const everything = engine({ policies: { gate: [] } })

  it.effect("lists dates in the time zone of each performance, those with a bookable seat", () =>
    Effect.gen(function* () {
      const { catalog, reservations } = yield* openOffice()
      const seats = gala.seats.seats
      const add = (performanceId: string, startsAt: string, timeZone: string, n = 1) =>
        Effect.andThen(
          catalog.addPerformance({
            performanceId,
            showId: "gala",
            startsAt: new Date(startsAt),
            timeZone
          }),
          n === 0 ? Effect.void : catalog.addSeats({ performanceId, seats: seats.slice(0, n) })
        )
      yield* add("tokyo", "2030-01-09T15:30:00Z", "Asia/Tokyo")
      yield* add("paris", "2030-01-09T15:30:00Z", "Europe/Paris", 2)
      yield* add("honolulu", "2030-01-10T09:59:00Z", "Pacific/Honolulu")
      yield* add("empty", "2030-01-09T15:30:00Z", "UTC", 0)
      yield* add("over", "2030-01-01T11:59:59Z", "UTC")
      yield* reservations.hold({ userId: "ada", performanceId: "tokyo", seatIds: ["A1"] })
      const dates = Effect.map(
        catalog.availableDates({ userId: "ada", showId: "gala" }),
        ({ dates }) =>
          dates.map(({ date, performances }) => [
            date,
            ...performances.map(({ performanceId, availableSeats, totalSeats }) =>
              [performanceId, availableSeats, totalSeats].join(" ")
            )
          ])
      )
      expect(yield* dates).toEqual([
        ["2030-01-09", "paris 2 2", "honolulu 1 1"],
        ["2030-02-01", "gala-1 4 4"]
      ])
      // The hold lapses: its performance can be booked again.
      yield* TestClock.adjust("5 minutes")
      expect(yield* dates).toEqual([
        ["2030-01-09", "paris 2 2", "honolulu 1 1"],
        ["2030-01-10", "tokyo 1 1"],
        ["2030-02-01", "gala-1 4 4"]
      ])
    }).pipe(Effect.provide(everything))
  )

  it.effect("names the price of the cheapest seat that is still there", () =>
    Effect.gen(function* () {
      const { catalog, reservations } = yield* openOffice()
      const [seat] = gala.seats.seats
      const cheap = { ...seat!, seatId: "Z1", price: won(5) }
      yield* catalog.addSeats({ performanceId: "gala-1", seats: [cheap] })
      const priceFrom = Effect.map(
        catalog.availableDates({ userId: "ada", showId: "gala" }),
        ({ dates }) => dates[0]!.performances[0]!.priceFrom
      )
      expect(yield* priceFrom).toEqual(won(5))
      yield* reservations.hold({ userId: "ada", performanceId: "gala-1", seatIds: ["Z1"] })
      expect(yield* priceFrom).toEqual(won(110_000))
    }).pipe(Effect.provide(everything))
  )

  it.effect("shows seats as blocked before and after sales, and says so by version", () =>
    Effect.gen(function* () {
      const { catalog } = yield* openOffice()
      yield* catalog.addShow({
        ...gala.show,
        showId: "later",
        salesOpenAt: new Date("2030-01-02T00:00:00Z"),
        salesCloseAt: new Date("2030-01-03T00:00:00Z")
      })
      yield* catalog.addPerformance({
        ...gala.performance,
        showId: "later",
        performanceId: "later-1"
      })
      yield* catalog.addSeats({ ...gala.seats, performanceId: "later-1" })
      const map = (instant: string) =>
        Effect.gen(function* () {
          yield* at(instant)
          const input = { userId: "ada", performanceId: "later-1" }
          const all = yield* catalog.availableSeats({ ...input, status: "all" })
          const { seats } = yield* catalog.availableSeats(input)
          const { dates } = yield* catalog.availableDates({ userId: "ada", showId: "later" })
          expect(all.asOf).toEqual(new Date(instant))
          expect(dates.length > 0).toBe(seats.length > 0)
          return { seats: seats.length, first: all.seats[0]!.status, version: all.version }
        })
      const before = yield* map("2030-01-01T23:59:59.999Z")
      const open = yield* map("2030-01-02T00:00:00.000Z")
      const late = yield* map("2030-01-02T23:59:59.999Z")
      const closed = yield* map("2030-01-03T00:00:00.000Z")
      const started = yield* map("2030-02-02T00:00:00.000Z")
      expect(before).toMatchObject({ seats: 0, first: "blocked" })
      expect(open).toMatchObject({ seats: 4, first: "available" })
      expect(late).toEqual(open)
      expect(closed).toMatchObject({ seats: 0, first: "blocked" })
      expect(started).toEqual(closed)
      expect(open.version).toBeGreaterThan(before.version)
      expect(closed.version).toBeGreaterThan(open.version)
    }).pipe(Effect.provide(everything))
  )

  it.effect("shows a lapsed hold as available at that instant, with another version", () =>
    Effect.gen(function* () {
      const { catalog, reservations } = yield* openOffice()
      const map = catalog.availableSeats({
        userId: "ada",
        performanceId: "gala-1",
        status: "all"
      })
      yield* reservations.hold({ userId: "ada", performanceId: "gala-1", seatIds: ["A1"] })
      yield* TestClock.adjust(299_999)
      const before = yield* map
      expect(before.seats[0]!.status).toBe("held")
      yield* TestClock.adjust(1)
      const after = yield* map
      expect(after.seats[0]!.status).toBe("available")
      expect(after.version).toBeGreaterThan(before.version)
      expect((yield* map).version).toBe(after.version)
      // Another user takes it: every version is distinct.
      yield* reservations.hold({ userId: "bob", performanceId: "gala-1", seatIds: ["A1"] })
      const taken = yield* map
      expect(taken.seats[0]!.status).toBe("held")
      expect(taken.version).toBeGreaterThan(after.version)
    }).pipe(Effect.provide(everything))
  )

  it.effect("counts how old a shared seat map is exactly: no lapse shows a millisecond late", () =>
    Effect.gen(function* () {
      const { catalog, reservations } = yield* openOffice()
      const seat = { performanceId: "gala-1", seatIds: ["A1"] }
      const status = Effect.map(
        catalog.availableSeats({ userId: "ada", performanceId: "gala-1", status: "all" }),
        ({ seats }) => seats[0]!.status
      )
      for (let round = 0; round < 50; round++) {
        // Each by another user, since a user can only hold so many at once.
        yield* reservations.hold({ userId: `user-${round}`, ...seat })
        yield* TestClock.adjust(299_900 + round)
        expect(yield* status).toBe("held")
        yield* TestClock.adjust(99 - round)
        expect(yield* status, `round ${round}`).toBe("held")
        yield* TestClock.adjust(1)
        expect(yield* status, `round ${round}`).toBe("available")
      }
    }).pipe(Effect.provide(everything))
  )

  it.effect("finds nothing by a name that is not there, whatever the name", () =>
    Effect.gen(function* () {
      const { catalog, reservations, payments } = yield* openOffice()
      const userId = "ada"
      for (const name of ["none", "no such name", "x".repeat(256), "gala-1/A1", "\u0000"]) {
        const missing = [
          yield* Effect.flip(catalog.show(name)),
          yield* Effect.flip(catalog.performances(name)),
          yield* Effect.flip(catalog.availableDates({ userId, showId: name }))
        ]
        for (const error of missing) expect(error).toBeInstanceOf(ShowNotFound)
        const noPerformance = [
          yield* Effect.flip(catalog.availableSeats({ userId, performanceId: name })),
          yield* Effect.flip(reservations.hold({ userId, performanceId: name, seatIds: ["A1"] }))
        ]
        for (const error of noPerformance) expect(error).toBeInstanceOf(PerformanceNotFound)
        const hold = { userId, performanceId: "gala-1", seatIds: ["A1", name] }
        expect(yield* Effect.flip(reservations.hold(hold))).toEqual(
          // Of a name that no seat can have, as much as one could.
          new SeatNotFound({ seatIds: [name.length > 64 ? `${name.slice(0, 64)}…` : name] })
        )
        const reservation = { userId, reservationId: name }
        const noReservation = [
          yield* Effect.flip(reservations.get(reservation)),
          yield* Effect.flip(reservations.release(reservation)),
          yield* Effect.flip(payments.pay(reservation))
        ]
        for (const error of noReservation) expect(error).toBeInstanceOf(ReservationNotFound)
        expect(yield* Effect.flip(payments.refund({ paymentId: name }))).toBeInstanceOf(
          PaymentNotFound
        )
      }
    }).pipe(Effect.provide(everything))
  )

  it.effect("refuses what does not fit", () =>
    Effect.gen(function* () {
      const office = yield* openOffice()
      const { catalog } = office
      const { show, performance, seats } = gala
      const early = new Date("2030-01-01T00:00:00Z")
      const seat = seats.seats[0]!
      const addSeats = (...seats: ReadonlyArray<typeof seat>) =>
        catalog.addSeats({ performanceId: "gala-1", seats })
      expect(yield* problems(catalog.addShow({ ...show, title: "" }))).toEqual(["title"])
      expect(
        yield* problems(catalog.addShow({ ...show, salesOpenAt: early, salesCloseAt: early }))
      ).toEqual(["salesCloseAt"])
      expect(
        yield* problems(catalog.addPerformance({ ...performance, timeZone: "Mars/Olympus" }))
      ).toEqual(["timeZone"])
      expect(
        yield* problems(catalog.addPerformance({ ...performance, startsAt: new Date(Number.NaN) }))
      ).toEqual(["startsAt"])
      expect(yield* problems(addSeats())).toEqual(["seats"])
      expect(yield* problems(addSeats(seat, seat))).toEqual(["seats"])
      expect(
        yield* problems(
          addSeats(seat, { ...seat, seatId: "B1", price: { ...won(1), currency: "USD" } })
        )
      ).toEqual(["seats"])
      for (const price of [won(-1), won(2n ** 53n)]) {
        expect(yield* problems(addSeats({ ...seat, price }))).toEqual(["seats.0.price.amount"])
      }

      // Values that no store, or no text, could carry.
      for (const at of [-8.64e15, 8.64e15, -62135596800001, 253402300800000, Number.NaN]) {
        const instant = new Date(at)
        const other = { ...show, showId: "other" }
        const opens = catalog.addShow({ ...other, salesOpenAt: instant })
        expect(yield* problems(opens)).toEqual(["salesOpenAt"])
        const closes = catalog.addShow({ ...other, salesCloseAt: instant })
        expect(yield* problems(closes)).toEqual(["salesCloseAt"])
        const starts = catalog.addPerformance({ ...performance, startsAt: instant })
        expect(yield* problems(starts)).toEqual(["startsAt"])
        const { queue, reservations } = office
        const opening = queue.create({ queueId: "other", opensAt: instant })
        expect(yield* problems(opening)).toEqual(["opensAt"])
        expect(yield* problems(queue.reschedule("main", instant))).toEqual(["opensAt"])
        const after = { heldAt: at, reservationId: "0198c7b2-0000-7000-8000-000000000000" }
        expect(yield* problems(reservations.list({ userId: "ada", after }))).toEqual([
          "after.heldAt"
        ])
      }
      for (const text of ["a\u0000b", "a\ud800b", "a\nb"]) {
        expect(yield* problems(catalog.addShow({ ...show, title: text }))).toEqual(["title"])
      }
      expect(yield* catalog.addShow(show)).toEqual({ ...show, created: false })
      expect(yield* Effect.flip(catalog.addShow({ ...show, title: "Another" }))).toEqual(
        new AlreadyExists({ kind: "show" })
      )
      expect(
        yield* Effect.flip(catalog.addShow({ ...show, showId: "new", queueId: "none" }))
      ).toBeInstanceOf(QueueNotFound)
      expect(
        yield* Effect.flip(
          catalog.addPerformance({ ...performance, performanceId: "new", showId: "none" })
        )
      ).toBeInstanceOf(ShowNotFound)
      expect(
        yield* Effect.flip(catalog.addSeats({ ...seats, performanceId: "none" }))
      ).toBeInstanceOf(PerformanceNotFound)
    }).pipe(Effect.provide(everything))
  )

  it.effect("lists shows in pages", () =>
    Effect.gen(function* () {
      const { catalog } = yield* openOffice()
      yield* catalog.addShow({ ...gala.show, showId: "aida" })
      yield* catalog.addShow({ ...gala.show, showId: "tosca" })
      const first = yield* catalog.shows({ limit: 2 })
      expect(first).toMatchObject({ items: [{ showId: "aida" }, { showId: "gala" }], next: "gala" })
      const last = yield* catalog.shows({ limit: 2, after: first.next! })
      expect(last).toMatchObject({ items: [{ showId: "tosca" }], next: null })
      expect(yield* catalog.shows({})).toMatchObject({ next: null })
    }).pipe(Effect.provide(everything))
  )
})

describe("reservations", () => {
  const hold = { userId: "ada", performanceId: "gala-1" }
  const ungated = engine({ policies: { gate: [] } })

  it.effect("of one seat by two hundred users at once: one has it", () =>
    Effect.gen(function* () {
      const office = yield* openOffice()
      const users = Array.from({ length: 200 }, (_, i) => `user-${i}`)
      const callers = yield* Effect.forEach(users, (user) => office.caller(user), {
        concurrency: "unbounded"
      })
      const results = yield* Effect.forEach(
        callers,
        (caller) =>
          Effect.result(
            office.reservations.hold({ ...caller, ...hold, ...caller, seatIds: ["A1"] })
          ),
        { concurrency: "unbounded" }
      )
      expect(results.filter((result) => result._tag === "Success")).toHaveLength(1)
      const refusal = new SeatUnavailable({
        conflicts: [{ seatId: "A1" as never, reason: "held" }]
      })
      for (const result of results) {
        if (result._tag === "Failure") expect(result.failure).toEqual(refusal)
      }
    }).pipe(Effect.provide(engine()))
  )

  it.effect("are seen by their owner alone, newest first, in pages", () =>
    Effect.gen(function* () {
      const { reservations } = yield* openOffice()
      const made: Array<string> = []
      for (const seatId of seatIds) {
        const { reservationId } = yield* reservations.hold({ ...hold, seatIds: [seatId] })
        made.unshift(reservationId)
        yield* TestClock.adjust(1)
      }
      const first = yield* reservations.list({ userId: "ada", limit: 3 })
      const rest = yield* reservations.list({ userId: "ada", limit: 3, after: first.next! })
      const listed = [...first.items, ...rest.items].map(({ reservationId }) => reservationId)
      expect(listed).toEqual(made)
      expect(rest.next).toBeNull()
      expect((yield* reservations.list({ userId: "bob" })).items).toEqual([])
      const foreign = { userId: "bob", reservationId: made[0]! }
      expect(yield* Effect.flip(reservations.get(foreign))).toBeInstanceOf(ReservationNotFound)
      expect(yield* Effect.flip(reservations.release(foreign))).toBeInstanceOf(ReservationNotFound)
      expect(yield* reservations.get({ ...foreign, userId: "ada" })).toMatchObject({
        status: "held",
        seats: [{ seatId: "A4" }]
      })
      const cursor = { heldAt: 0, reservationId: "none" }
      expect(yield* problems(reservations.list({ userId: "ada", after: cursor }))).toEqual([
        "after.reservationId"
      ])
    }).pipe(Effect.provide(ungated))
  )

  it.effect("lapse without a sweeper", () =>
    Effect.gen(function* () {
      const office = yield* openOffice()
      const { reservationId, holdExpiresAt } = yield* office.reservations.hold({
        ...hold,
        seatIds: ["A1"]
      })
      yield* office.wallet.charge({ userId: "ada", amount: won(110_000) })
      yield* TestClock.adjust("5 minutes")
      const owned = { userId: "ada", reservationId }
      expect((yield* office.reservations.get(owned)).status).toBe("expired")
      expect((yield* office.reservations.list(owned)).items[0]!.status).toBe("expired")
      expect(yield* Effect.flip(office.payments.pay(owned))).toEqual(
        new HoldExpired({ expiredAt: holdExpiresAt })
      )
      // Releasing a lapsed hold is no error.
      yield* office.reservations.release(owned)
      expect(yield* office.balanceOf("ada")).toBe(110_000n)
    }).pipe(Effect.provide(ungated))
  )

  it.effect("refuse what does not fit", () =>
    Effect.gen(function* () {
      const { reservations } = yield* openOffice()
      const many = Array.from({ length: 201 }, (_, i) => `S${i}`)
      for (const seatIds of [[], ["A1", "A1"], many]) {
        expect(yield* problems(reservations.hold({ ...hold, seatIds }))).toEqual(["seatIds"])
      }
      for (const seatId of ["", 7 as never, "x".repeat(257)]) {
        expect(yield* problems(reservations.hold({ ...hold, seatIds: ["A1", seatId] }))).toEqual([
          "seatIds.1"
        ])
      }
      for (const userId of ["", "a\nb", "x".repeat(129), "\ud800", undefined as never]) {
        expect(yield* problems(reservations.hold({ ...hold, userId, seatIds: ["A1"] }))).toEqual([
          "userId"
        ])
      }
    }).pipe(Effect.provide(ungated))
  )
})

describe("money", () => {
  const big = 2n ** 63n - 1n
  const rich = engine({ policies: { gate: [], walletCeiling: big } })
  const poor = engine({ policies: { gate: [] } })

  it.effect("is exact beyond 2^53, to the last unit that a store can hold", () =>
    Effect.gen(function* () {
      const { wallet } = yield* openOffice()
      const charge = (amount: bigint) => wallet.charge({ userId: "ada", amount: won(amount) })
      yield* charge(2n ** 53n + 1n)
      yield* charge(1n)
      expect((yield* wallet.balance({ userId: "ada" })).balance).toEqual(won(9007199254740994n))
      yield* charge(big - 9007199254740994n)
      expect((yield* wallet.balance({ userId: "ada" })).balance).toEqual(won(big))
      const refusal = yield* Effect.flip(charge(1n))
      expect(refusal).toBeInstanceOf(LimitExceeded)
      expect((yield* wallet.entries({ userId: "ada" })).items[0]!.balance).toEqual(won(big))
    }).pipe(Effect.provide(rich))
  )

  it.effect("goes up to 2^53 - 1 in a wallet by default", () =>
    Effect.gen(function* () {
      const { wallet } = yield* openOffice()
      const charge = (amount: bigint) => wallet.charge({ userId: "ada", amount: won(amount) })
      expect(yield* Effect.flip(charge(2n ** 53n))).toEqual(
        new LimitExceeded({ name: "walletCeiling", limit: Number.MAX_SAFE_INTEGER })
      )
      expect((yield* charge(2n ** 53n - 1n)).balance.amount).toBe(9007199254740991n)
    }).pipe(Effect.provide(poor))
  )

  const wrong: ReadonlyArray<readonly [string, unknown]> = [
    ["nothing", 0n],
    ["less than nothing", -1n],
    ["more than any store can hold", 2n ** 63n],
    ["far more", 10n ** 100n],
    ["a float", 1.5],
    ["a whole number that is no bigint", 100],
    ["not a number", Number.NaN],
    ["a text", "100"],
    ["null", null],
    ["nothing at all", undefined]
  ]
  for (const [name, amount] of wrong) {
    it.effect(`refuses ${name}`, () =>
      Effect.gen(function* () {
        const { wallet, balanceOf } = yield* openOffice()
        const money = { amount: amount as bigint, currency: "KRW" }
        expect(yield* problems(wallet.charge({ userId: "ada", amount: money }))).toEqual([
          "amount.amount"
        ])
        expect(yield* balanceOf("ada")).toBe(0n)
      }).pipe(Effect.provide(rich))
    )
  }

  it.effect("refuses a currency that is none", () =>
    Effect.gen(function* () {
      const { wallet } = yield* openOffice()
      for (const currency of ["", "krw", "KR", "KRWX", "₩", 1 as never]) {
        const amount = { amount: 1n, currency }
        expect(yield* problems(wallet.charge({ userId: "ada", amount }))).toEqual([
          "amount.currency"
        ])
      }
    }).pipe(Effect.provide(rich))
  )

  it.effect("loses nothing of a thousand charges at once", () =>
    Effect.gen(function* () {
      const office = yield* openOffice()
      const amounts = Array.from({ length: 1_000 }, (_, i) => won(i + 1))
      yield* Effect.forEach(amounts, (amount) => office.wallet.charge({ userId: "ada", amount }), {
        concurrency: "unbounded"
      })
      expect(yield* office.balanceOf("ada")).toBe(500_500n)
    }).pipe(Effect.provide(poor))
  )

  it.effect("is refunded once, by the payment's id alone", () =>
    Effect.gen(function* () {
      const { reservations, wallet, payments, balanceOf } = yield* openOffice()
      const userId = "ada"
      const { reservationId } = yield* reservations.hold({
        userId,
        performanceId: "gala-1",
        seatIds: ["A1"]
      })
      const { transferId } = yield* wallet.charge({ userId, amount: won(110_000) })
      const { paymentId } = yield* payments.pay({ userId, reservationId })
      expect(yield* Effect.flip(payments.refund({ paymentId: transferId }))).toBeInstanceOf(
        PaymentNotFound
      )
      const refund = yield* payments.refund({ paymentId })
      expect(refund).toMatchObject({ paymentId, reservationId, balance: won(110_000) })
      expect(yield* Effect.flip(payments.refund({ paymentId }))).toMatchObject({
        _tag: "ReservationNotPayable",
        status: "cancelled"
      })
      expect(yield* Effect.flip(payments.refund({ paymentId: refund.refundId }))).toBeInstanceOf(
        PaymentNotFound
      )
      expect(yield* balanceOf(userId)).toBe(110_000n)
      // The seat can be had again.
      yield* reservations.hold({ userId: "bob", performanceId: "gala-1", seatIds: ["A1"] })
    }).pipe(Effect.provide(poor))
  )

  it.effect("of a statement comes in pages, newest first", () =>
    Effect.gen(function* () {
      const { wallet } = yield* openOffice()
      for (const n of [1, 2, 3]) yield* wallet.charge({ userId: "ada", amount: won(n) })
      const first = yield* wallet.entries({ userId: "ada", limit: 2 })
      expect(first.items.map(({ balance }) => balance.amount)).toEqual([6n, 3n])
      const last = yield* wallet.entries({ userId: "ada", limit: 2, after: first.next! })
      expect(last.items.map(({ balance }) => balance.amount)).toEqual([1n])
      expect(last.next).toBeNull()
    }).pipe(Effect.provide(poor))
  )
})

describe("the sweeper", () => {
  it.effect("ends what has lapsed, and returns how much it found", () =>
    Effect.gen(function* () {
      const office = yield* openOffice({ maxActive: 1, sessionSeconds: 300 })
      const ada = yield* office.caller("ada")
      yield* office.caller("bob")
      const hold = { ...ada, performanceId: "gala-1", seatIds: ["A1"] }
      const { reservationId } = yield* office.reservations.hold(hold)
      expect(yield* sweep).toBe(0)
      yield* TestClock.adjust("5 minutes")
      expect(yield* sweep).toBe(2)
      expect(yield* sweep).toBe(0)
      const store = yield* BoxOfficeStore
      const { reservations } = yield* store.reservation(reservationId)
      expect(reservations[0]!.status).toBe("expired")
      expect(yield* office.queue.get("main")).toMatchObject({ active: 1, waiting: 0 })
    }).pipe(Effect.provide(engine()))
  )

  it.effect("goes on after the store was down", () =>
    Effect.gen(function* () {
      const away = new StoreUnavailable({ retryable: true, cause: "away" })
      let rounds = 0
      const flaky = Layer.effect(
        BoxOfficeStore,
        Effect.map(BoxOfficeStore, (store) =>
          BoxOfficeStore.of({
            ...store,
            lapsed: (limit) =>
              Effect.suspend(() => (++rounds === 1 ? Effect.fail(away) : store.lapsed(limit)))
          })
        )
      ).pipe(Layer.provide(layerMemory))
      const sweeping = layerSweeper("1 second").pipe(
        Layer.provide(layerOf({ signingKeys })),
        Layer.provide(flaky),
        Layer.provide(Logger.layer([]))
      )
      const running = yield* Effect.forkChild(Layer.launch(sweeping))
      yield* TestClock.adjust("2 seconds")
      expect(rounds).toBe(3)
      yield* Fiber.interrupt(running)
      yield* TestClock.adjust("2 seconds")
      expect(rounds).toBe(3)
    })
  )
})

describe("too much at once", () => {
  it.effect("is refused with Overloaded, and what was taken is done", () =>
    Effect.gen(function* () {
      const { wallet, balanceOf } = yield* openOffice()
      const results = yield* Effect.all(
        Array.from({ length: 10 }, () =>
          Effect.result(wallet.charge({ userId: "ada", amount: won(1) }))
        ),
        { concurrency: "unbounded" }
      )
      const refused = results.flatMap((result) =>
        result._tag === "Failure" ? [result.failure] : []
      )
      expect(refused).toHaveLength(7)
      for (const refusal of refused) expect(refusal).toBeInstanceOf(Overloaded)
      expect(yield* balanceOf("ada")).toBe(3n)
    }).pipe(Effect.provide(engine({ policies: { gate: [] }, batches: { capacity: 3 } })))
  )
})
