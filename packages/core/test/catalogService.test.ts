/** The catalogue through its service: dates, seat maps, and additions by operators. */
import { describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { expect } from "vitest"
import {
  AlreadyExists,
  PaymentNotFound,
  PerformanceNotFound,
  QueueNotFound,
  ReservationNotFound,
  SeatNotFound,
  ShowNotFound
} from "../src/index.ts"
import { won } from "../src/testing.ts"
import { engine, gala, openOffice, problems } from "./support.ts"

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
      const always = { showId: "always", title: "Always", queueId: "main" }
      const added = { ...always, salesOpenAt: null, salesCloseAt: null }
      expect(yield* catalog.addShow(always)).toEqual({ ...added, created: true })
      // What is left out and what is null are the same request.
      const keyed = { ...always, showId: "keyed", idempotencyKey: "once" }
      for (const same of [{ salesOpenAt: undefined }, { salesOpenAt: null, salesCloseAt: null }]) {
        expect(yield* catalog.addShow({ ...keyed, ...same })).toMatchObject({
          showId: "keyed",
          salesOpenAt: null,
          salesCloseAt: null,
          created: true
        })
      }
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
