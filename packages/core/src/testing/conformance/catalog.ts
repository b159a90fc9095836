/** The catalogue: added items are read back exactly, and once. */
import assert from "node:assert/strict"
import { Effect } from "effect"
import type { PerformanceId, SeatId, ShowId } from "../../Ids.ts"
import type { ConformanceTest } from "./harness.ts"
import { inWorld, krw, newSeats, refused } from "./world.ts"

const hostile = `Rob'); DROP TABLE seat; -- "quoted" \\ $1 {a,b} 좌석 🎫`

export const catalogTests: ReadonlyArray<ConformanceTest> = [
  inWorld("a show is read back as it was added", {}, ({ office, queueId, showId }) =>
    Effect.gen(function* () {
      const show = {
        showId: `${showId}-2` as ShowId,
        title: hostile,
        queueId,
        salesOpenAt: new Date("2026-01-02T03:04:05.678Z"),
        salesCloseAt: new Date("2999-01-01T00:00:00.000Z")
      }
      yield* office.catalog.addShow(show)
      assert.deepEqual(yield* office.catalog.show(show.showId), show)
      const ends = {
        ...show,
        showId: `${showId}-3` as ShowId,
        salesOpenAt: new Date("0001-01-01T00:00:00.000Z"),
        salesCloseAt: new Date("9999-12-31T23:59:59.999Z")
      }
      yield* office.catalog.addShow(ends)
      assert.deepEqual(yield* office.catalog.show(ends.showId), ends)
      const performance = { performanceId: `${showId}-3`, showId: ends.showId, timeZone: "UTC" }
      yield* office.catalog.addPerformance({ ...performance, startsAt: ends.salesCloseAt })
      const [first] = yield* office.catalog.performances(ends.showId)
      assert.equal(first!.startsAt, ends.salesCloseAt.getTime())
    })
  ),
  inWorld("ids in any script are distinct, and sort alike in every store", { seats: 1 }, (world) =>
    Effect.gen(function* () {
      const { office, queueId, showId, join } = world
      const startsAt = new Date("2999-01-01T00:00:00.000Z")
      const show = { title: "A show", queueId, salesOpenAt: null, salesCloseAt: null }
      // Sorted by the bytes of UTF-8, which differs from the order of UTF-16.
      const ids = [`${showId} a`, `${showId}/가`, `${showId}가`, `${showId}ﬀ`, `${showId}𠮷`]
      for (const id of ids.toReversed()) yield* office.catalog.addShow({ ...show, showId: id })
      const after = `${showId} `.trim()
      const page = yield* office.catalog.shows({ after, limit: 5 })
      assert.deepEqual(
        page.items.map((item) => item.showId),
        ids
      )
      const next = yield* office.catalog.shows({ after: ids[3], limit: 1 })
      assert.equal(next.items[0]?.showId, ids[4])
      // A slash may be in either name: these are two seats, of two performances, held at once.
      const [one, two] = [`${showId}/a`, `${showId}/a/b`]
      const [seat] = newSeats(1)
      for (const [performanceId, seatId] of [
        [one, "b/c"],
        [two, "c"]
      ] as const) {
        yield* office.catalog.addPerformance({ performanceId, showId, startsAt, timeZone: "UTC" })
        yield* office.catalog.addSeats({ performanceId, seats: [{ ...seat!, seatId }] })
      }
      const ada = yield* join("ada")
      const bob = yield* join("bob")
      const held = yield* Effect.all(
        [
          office.reservations.hold({ ...ada, performanceId: one!, seatIds: ["b/c"] }),
          office.reservations.hold({ ...bob, performanceId: two!, seatIds: ["c"] })
        ],
        { concurrency: "unbounded" }
      )
      assert.deepEqual(
        held.map(({ performanceId, seats }) => [performanceId, seats[0]!.seatId]),
        [
          [one, "b/c"],
          [two, "c"]
        ]
      )
    })
  ),
  inWorld("a set-up can run again, and nothing is added twice", { seats: 3 }, (world) =>
    Effect.gen(function* () {
      const { store, office, queueId, showId, performanceId } = world
      const settings = { maxActive: 7 }
      const opensAt = new Date("2999-01-01T00:00:00.000Z")
      const salesOpenAt = new Date("2026-01-02T03:04:05.678Z")
      const setUp = Effect.gen(function* () {
        const queue = yield* office.queue.create({ queueId: `${queueId}-2`, settings, opensAt })
        const show = yield* office.catalog.addShow({
          showId: `${showId}-2`,
          title: hostile,
          queueId,
          salesOpenAt,
          salesCloseAt: null
        })
        const performance = yield* office.catalog.addPerformance({
          performanceId: `${performanceId}-2`,
          showId: `${showId}-2`,
          startsAt: new Date("2999-01-01T00:00:00.123Z"),
          timeZone: "Asia/Seoul"
        })
        const blocked = newSeats(1, 3).map((seat) => ({ ...seat, blocked: true }))
        const seats = yield* office.catalog.addSeats({
          performanceId: `${performanceId}-2`,
          seats: [...newSeats(2), ...blocked]
        })
        const codes = yield* office.queue.addCodes({ queueId, codes: ["set-up-again"] })
        return [queue, show, performance, seats, codes] as const
      })
      const first = yield* setUp
      const again = yield* setUp
      assert.deepEqual(
        first.map(({ created }) => created),
        [true, true, true, true, true]
      )
      assert.equal(first[3].added, 3)
      assert.deepEqual(again, [
        ...first.slice(0, 3).map((item) => ({ ...item, created: false })),
        { ...first[3], created: false, added: 0 },
        { ...first[4], created: false }
      ])
      const version = (yield* store.seats(performanceId))!.version
      const more = yield* office.catalog.addSeats({ performanceId, seats: newSeats(4) })
      assert.deepEqual(more, { performanceId, added: 1, created: true })
      const after = (yield* store.seats(performanceId))!
      assert.equal(after.version, version + 2)
      assert.deepEqual(
        after.seats.map(({ seatId }) => seatId),
        ["S1", "S2", "S3", "S4"]
      )
    })
  ),
  inWorld("an addition with other values is refused, and its parent must exist", {}, (world) =>
    Effect.gen(function* () {
      const { office, queueId, showId, performanceId } = world
      const show = { title: "Again", queueId, salesOpenAt: null, salesCloseAt: null }
      const startsAt = new Date("2999-01-01T00:00:00.000Z")
      const { catalog } = office
      yield* refused("AlreadyExists", office.queue.create({ queueId, opensAt: startsAt }))
      const settings = { maxActive: 12_345 }
      yield* refused("AlreadyExists", office.queue.create({ queueId, settings }))
      yield* refused("AlreadyExists", catalog.addShow({ ...show, showId }))
      yield* refused(
        "QueueNotFound",
        catalog.addShow({ ...show, showId: `${showId}-x` as ShowId, queueId: "none" as never })
      )
      const performance = { performanceId, showId, startsAt, timeZone: "Asia/Tokyo" }
      yield* refused("AlreadyExists", catalog.addPerformance(performance))
      yield* refused(
        "ShowNotFound",
        catalog.addPerformance({
          ...performance,
          performanceId: `${performanceId}-x` as PerformanceId,
          showId: "none" as ShowId
        })
      )
      yield* refused(
        "PerformanceNotFound",
        catalog.addSeats({ performanceId: "none", seats: newSeats(1) })
      )
    })
  ),
  inWorld("unchanged seats are returned as the same array", { seats: 2 }, (world) =>
    Effect.gen(function* () {
      const { store, office, performanceId, join } = world
      const first = (yield* store.seats(performanceId))!
      const again = (yield* store.seats(performanceId, first))!
      assert.equal(again.seats, first.seats)
      assert.equal(again.version, first.version)
      assert.ok(again.now >= first.now)
      const caller = yield* join("ada")
      yield* office.reservations.hold({ ...caller, performanceId, seatIds: ["S1"] })
      const changed = (yield* store.seats(performanceId, again))!
      assert.ok(changed.version > again.version)
      assert.deepEqual(
        changed.seats.map(({ status }) => status),
        ["held", "available"]
      )
      yield* office.catalog.addSeats({ performanceId, seats: newSeats(1, 3) })
      assert.equal((yield* store.seats(performanceId, changed))!.seats.length, 3)
    })
  ),
  inWorld("seats are added all or none", { seats: 2 }, ({ office, performanceId, join }) =>
    Effect.gen(function* () {
      // S2 exists with other values, so S3 must not be added either.
      const [other, ...seats] = newSeats(2, 2)
      for (const change of [{ row: "other" }, { price: krw(7n) }, { blocked: true }]) {
        const differs = { performanceId, seats: [...seats, { ...other!, ...change }] }
        yield* refused("AlreadyExists", office.catalog.addSeats(differs))
      }
      const caller = yield* join("ada")
      const map = yield* office.catalog.availableSeats({ ...caller, performanceId })
      assert.deepEqual(
        map.seats.map((seat) => seat.seatId),
        ["S1", "S2"]
      )
    })
  ),
  inWorld("seats keep their order and their texts", { seats: 12 }, (world) =>
    Effect.gen(function* () {
      const { office, performanceId, join } = world
      const last = {
        seatId: "A-first-by-name" as SeatId,
        section: hostile.slice(0, 60),
        row: "'",
        number: '"',
        price: krw(2n ** 53n - 1n),
        blocked: true
      }
      yield* office.catalog.addSeats({ performanceId, seats: [last] })
      const caller = yield* join("ada")
      const map = yield* office.catalog.availableSeats({ ...caller, performanceId, status: "all" })
      assert.equal(map.seats.length, 13)
      assert.equal(map.seats[0]!.seatId, "S1")
      assert.equal(map.seats[11]!.seatId, "S12")
      const { blocked: _, ...words } = last
      assert.deepEqual(map.seats[12], { ...words, status: "blocked" })
      const free = yield* office.catalog.availableSeats({ ...caller, performanceId })
      assert.equal(free.seats.length, 12)
    })
  ),
  inWorld("dates list what can be booked, in local time", { seats: 2 }, (world) =>
    Effect.gen(function* () {
      const { office, showId, performanceId, join, hold } = world
      const caller = yield* join("ada")
      const dates = yield* office.catalog.availableDates({ ...caller, showId })
      assert.deepEqual(dates, {
        showId,
        dates: [
          {
            date: "2999-12-31",
            performances: [
              {
                performanceId,
                startsAt: new Date("2999-12-31T10:30:00.000Z"),
                timeZone: "Asia/Seoul",
                availableSeats: 2,
                totalSeats: 2,
                priceFrom: krw(1_000n)
              }
            ]
          }
        ]
      })
      yield* hold(caller, "S1", "S2")
      const none = yield* office.catalog.availableDates({ ...caller, showId })
      assert.deepEqual(none.dates, [])
    })
  ),
  inWorld("lists come in pages that join up", {}, ({ office, queueId, showId, store }) =>
    Effect.gen(function* () {
      const base = { title: "Page", queueId, salesOpenAt: null, salesCloseAt: null }
      const ids = ["a", "b", "c"].map((letter) => `${showId}-${letter}` as ShowId)
      for (const id of ids) yield* office.catalog.addShow({ ...base, showId: id })
      const first = yield* office.catalog.shows({ limit: 2, after: showId })
      assert.deepEqual(
        first.items.map((show) => show.showId),
        ids.slice(0, 2)
      )
      assert.equal(first.next, ids[1])
      const second = yield* office.catalog.shows({ limit: 1, after: first.next! })
      assert.equal(second.items[0]!.showId, ids[2])
      const queues = yield* store.queues({ after: undefined, limit: 200 })
      assert.ok(queues.length > 0)
    })
  ),
  inWorld(
    "the engine refuses a missing show, performance or queue as not found",
    {},
    ({ office, join }) =>
      Effect.gen(function* () {
        const caller = yield* join("ada")
        for (const name of ["none", "no such name", "'; --", "\u0000"]) {
          yield* refused("ShowNotFound", office.catalog.show(name))
          yield* refused("ShowNotFound", office.catalog.availableDates({ ...caller, showId: name }))
          yield* refused(
            "PerformanceNotFound",
            office.catalog.availableSeats({ ...caller, performanceId: name })
          )
          yield* refused("QueueNotFound", office.queue.get(name))
        }
      })
  ),
  inWorld("the version of a seat map grows with each change, a lapse included", {}, (world) =>
    Effect.gen(function* () {
      const { office, performanceId, join, hold, passTime, sweep } = world
      const caller = yield* join("ada")
      const read = office.catalog.availableSeats({ ...caller, performanceId })
      const empty = yield* read
      assert.equal((yield* read).version, empty.version)
      yield* hold(caller, "S1", "S2", "S3")
      const held = yield* read
      assert.ok(held.version > empty.version)
      assert.equal(held.seats.length, 7)
      yield* passTime(301_000)
      const lapsed = yield* read
      assert.ok(lapsed.version > held.version)
      assert.equal(lapsed.seats.length, 10)
      yield* sweep
      const swept = yield* read
      assert.ok(swept.version >= lapsed.version)
      const again = yield* join("bob")
      yield* hold(again, "S1")
      assert.ok((yield* read).version > swept.version)
    })
  ),
  inWorld("all seats of a performance have one currency, that of wallets", {}, (world) =>
    Effect.gen(function* () {
      const { office, performanceId } = world
      const seat = (seatId: number, amount: bigint, currency: string) => ({
        ...newSeats(1, seatId)[0]!,
        price: { amount, currency }
      })
      const refusalOf = (...seats: ReadonlyArray<ReturnType<typeof seat>>) =>
        Effect.map(
          refused("RequestInvalid", office.catalog.addSeats({ performanceId, seats })),
          ({ errors }) => errors[0]!
        )
      const other = yield* refusalOf(seat(50, 1n, "KRW"), seat(51, 0n, "USD"))
      assert.match(other.message, /one currency/)
      const mixed = yield* refusalOf(seat(51, 0n, "USD"))
      assert.deepEqual(
        [mixed.path, mixed.message],
        ["seats[0].price.currency", "expected KRW, the currency of the performance's other seats"]
      )
      assert.match((yield* refusalOf(seat(51, 1n, "ZZZ"))).message, /ISO 4217/)
      const fresh = `${performanceId}-2`
      const { startsAt } = (yield* office.catalog.performances(world.showId))[0]!
      yield* office.catalog.addPerformance({
        performanceId: fresh,
        showId: world.showId,
        startsAt: new Date(startsAt),
        timeZone: "UTC"
      })
      const add = (seats: ReadonlyArray<ReturnType<typeof seat>>) =>
        office.catalog.addSeats({ performanceId: fresh, seats })
      const unpayable = yield* refused("RequestInvalid", add([seat(1, 5n, "USD")]))
      assert.match(unpayable.errors[0]!.message, /expected KRW.*`currency`/)
      // The seat is free, so its currency does not matter.
      yield* add([seat(1, 0n, "USD")])
      yield* refused("RequestInvalid", add([seat(2, 0n, "KRW")]))
    })
  )
]
