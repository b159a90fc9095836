import { describe, expect, it } from "vitest"
import { PerformanceNotFound, SeatNotFound } from "../src/catalog/errors.ts"
import type { HoldLapsed, HoldReleased, SeatsHeld } from "../src/Events.ts"
import { holdingKey } from "../src/engine/Rows.ts"
import type { PerformanceId, ReservationId, SeatId, UserId } from "../src/Ids.ts"
import { defaultPolicies } from "../src/policies/settings.ts"
import { decideExpiry, decideHold, decideRelease } from "../src/reservation/decide.ts"
import {
  LimitExceeded,
  ReservationNotFound,
  ReservationNotPayable,
  SeatUnavailable
} from "../src/reservation/errors.ts"
import { toReservation } from "../src/reservation/model.ts"
import {
  given,
  performanceRow,
  reservationRow,
  seatRow,
  seatsOf,
  testId,
  testStart,
  toSeat,
  won
} from "../src/testing.ts"

const now = testStart
const holdUntil = now + 300_000
const gala = "gala-1" as PerformanceId
const ada = "ada" as UserId
const grace = "grace" as UserId
const ids = (...seatIds: ReadonlyArray<string>) => seatIds as ReadonlyArray<SeatId>

const hold = (seatIds: ReadonlyArray<SeatId>, userId = ada, reservationId = testId(1)) => ({
  reservationId,
  userId,
  performanceId: gala,
  seatIds
})

const held = (
  seatIds: ReadonlyArray<SeatId>,
  userId = ada,
  reservationId: ReservationId = testId(1)
): SeatsHeld => ({
  _tag: "SeatsHeld",
  reservationId,
  performanceId: gala,
  userId,
  seats: seatIds.map((seatId) => toSeat(seatRow({ seatId }))),
  amount: won(110_000 * seatIds.length),
  holdExpiresAt: holdUntil,
  at: now
})

const hall = (...seats: ReadonlyArray<Parameters<typeof seatRow>[0]>) => ({
  performances: [performanceRow()],
  seats: seats.map((seat) => seatRow(seat))
})

describe("hold", () => {
  it("holds all of the seats, for as long as the policy says, at the sum of their prices", () => {
    const seats = [
      seatRow({ seatId: "A1", price: won(110_000) }),
      seatRow({ seatId: "B7", section: "B", row: "3", number: "7", price: won(90_000) })
    ]
    const rows = given({ performances: [performanceRow()], seats })
      .at(now)
      .when((rows) =>
        decideHold(rows, hold(ids("B7", "A1")), { ...defaultPolicies, holdSeconds: 60 })
      )
      .thenEvents({
        _tag: "SeatsHeld",
        reservationId: testId(1),
        performanceId: gala,
        userId: ada,
        seats: [toSeat(seats[1]!), toSeat(seats[0]!)],
        amount: won(200_000),
        holdExpiresAt: now + 60_000,
        at: now
      })
    for (const seatId of ids("A1", "B7")) {
      expect(rows.seat(gala, seatId)).toMatchObject({
        status: "held",
        reservationId: testId(1),
        heldUntil: now + 60_000
      })
    }
    expect(toReservation(rows.reservations.get(testId(1))!, now)).toMatchObject({
      status: "held",
      amount: won(200_000),
      heldAt: new Date(now),
      holdExpiresAt: new Date(now + 60_000),
      holdExpiresInSeconds: 60,
      confirmedAt: null
    })
  })

  it("refuses a sum that JSON could not carry, before anything is held", () => {
    const [most, one] = [won(2n ** 53n - 1n), won(1n)]
    const two = hall({ seatId: "A1", price: most }, { seatId: "A2", price: one })
    given(two)
      .at(now)
      .when((rows) => decideHold(rows, hold(ids("A1", "A2")), defaultPolicies))
      .thenRefused(new LimitExceeded({ name: "reservationAmount", limit: 2 ** 53 - 1 }))
  })

  it("takes the largest sum that JSON can carry", () => {
    const most = hall(
      { seatId: "A1", price: won(2n ** 53n - 2n) },
      { seatId: "A2", price: won(1n) }
    )
    const rows = given(most)
      .at(now)
      .when((rows) => decideHold(rows, hold(ids("A1", "A2")), defaultPolicies))
      .thenEvents({
        ...held(ids("A1", "A2")),
        seats: most.seats.map(toSeat),
        amount: won(2n ** 53n - 1n)
      })
    expect(rows.reservations.get(testId(1))!.status).toBe("held")
  })

  it("adds prices exactly beyond 2^53, where the host lets wallets hold as much", () => {
    const price = won(2n ** 53n - 1n)
    const policies = { ...defaultPolicies, walletCeiling: 2n ** 62n }
    const rows = given(hall({ seatId: "A1", price }, { seatId: "A2", price }))
      .at(now)
      .when((rows) => decideHold(rows, hold(ids("A1", "A2")), policies))
      .thenEvents({
        ...held(ids("A1", "A2")),
        seats: ids("A1", "A2").map((seatId) => toSeat(seatRow({ seatId, price }))),
        amount: won(2n ** 54n - 2n)
      })
    expect(rows.reservations.get(testId(1))!.amount.amount).toBe(18014398509481982n)
  })

  it("refuses a performance that does not exist", () => {
    given({})
      .at(now)
      .when((rows) => decideHold(rows, hold(ids("A1")), defaultPolicies))
      .thenRefused(new PerformanceNotFound())
  })

  it("refuses seats that do not exist, and names every one", () => {
    given(hall({ seatId: "A1" }))
      .at(now)
      .when((rows) => decideHold(rows, hold(ids("Z1", "A1", "Z2")), defaultPolicies))
      .thenRefused(new SeatNotFound({ seatIds: ["Z1", "Z2"] }))
  })

  it("repeats no more of invented ids than it can record", () => {
    given(hall({ seatId: "A1" }))
      .at(now)
      .when((rows) => decideHold(rows, hold(ids("x".repeat(64))), defaultPolicies))
      .thenRefused(new SeatNotFound({ seatIds: ["x".repeat(64)] }))
    const madeUp = Array.from({ length: 200 }, (_, i) => `${i}`.padEnd(256, "\u{1f3ab}"))
    const outcome = given(hall({ seatId: "A1" }))
      .at(now)
      .when((rows) => decideHold(rows, hold(ids(...madeUp)), defaultPolicies))
    const listed = madeUp.slice(0, 20).map((name) => `${Array.from(name).slice(0, 64).join("")}…`)
    outcome.thenRefused(new SeatNotFound({ seatIds: listed }))
  })

  it("refuses unavailable seats, with the reason for each", () => {
    given(
      hall(
        { seatId: "A1", status: "held", reservationId: testId(9), heldUntil: now + 1 },
        { seatId: "A2", status: "sold", reservationId: testId(8) },
        { seatId: "A3", status: "blocked" },
        { seatId: "A4" }
      )
    )
      .at(now)
      .when((rows) => decideHold(rows, hold(ids("A4", "A3", "A2", "A1")), defaultPolicies))
      .thenRefused(
        new SeatUnavailable({
          conflicts: [
            { seatId: "A3" as SeatId, reason: "blocked" },
            { seatId: "A2" as SeatId, reason: "sold" },
            { seatId: "A1" as SeatId, reason: "held" }
          ]
        })
      )
  })

  it("refuses one's own hold as any other", () => {
    given(hall({ seatId: "A1" }), held(ids("A1")))
      .at(now)
      .when((rows) => decideHold(rows, hold(ids("A1"), ada, testId(2)), defaultPolicies))
      .thenRefused(new SeatUnavailable({ conflicts: [{ seatId: ids("A1")[0]!, reason: "held" }] }))
  })

  describe("outside of the sales window seats are blocked", () => {
    const open = Date.parse("2030-01-10T00:00:00Z")
    const close = Date.parse("2030-01-20T00:00:00Z")
    const start = performanceRow().startsAt
    const at = (instant: number, window: { salesOpenAt?: number; salesCloseAt?: number }) =>
      given({ performances: [performanceRow(window)], seats: [seatRow()] })
        .at(instant)
        .when((rows) => decideHold(rows, hold(ids("A1")), defaultPolicies))
    const blocked = new SeatUnavailable({
      conflicts: [{ seatId: ids("A1")[0]!, reason: "blocked" }]
    })
    const heldAt = (instant: number) => ({
      ...held(ids("A1")),
      at: instant,
      holdExpiresAt: instant + 300_000
    })

    it("not yet on sale: until that instant", () => {
      at(open - 1, { salesOpenAt: open }).thenRefused(blocked)
      at(open, { salesOpenAt: open }).thenEvents(heldAt(open))
    })
    it("closed: from that instant on", () => {
      at(close - 1, { salesCloseAt: close }).thenEvents(heldAt(close - 1))
      at(close, { salesCloseAt: close }).thenRefused(blocked)
    })
    it("started: from that instant on", () => {
      at(start - 1, {}).thenEvents(heldAt(start - 1))
      at(start, {}).thenRefused(blocked)
    })
    it("started: even where sales would close later", () => {
      at(start, { salesCloseAt: start + 1 }).thenRefused(blocked)
    })
    it("a seat that is sold as well is called sold", () => {
      given({
        performances: [performanceRow({ salesOpenAt: open })],
        seats: [seatRow({ status: "sold", reservationId: testId(9) })]
      })
        .at(now)
        .when((rows) => decideHold(rows, hold(ids("A1")), defaultPolicies))
        .thenRefused(
          new SeatUnavailable({ conflicts: [{ seatId: ids("A1")[0]!, reason: "sold" }] })
        )
    })
  })

  it("a lapsed hold is free at that instant, and not a millisecond before", () => {
    const lapsing = hall({
      seatId: "A1",
      status: "held",
      reservationId: testId(9),
      heldUntil: holdUntil
    })
    given(lapsing)
      .at(holdUntil - 1)
      .when((rows) => decideHold(rows, hold(ids("A1")), defaultPolicies))
      .thenRefused(new SeatUnavailable({ conflicts: [{ seatId: ids("A1")[0]!, reason: "held" }] }))
    given(lapsing)
      .at(holdUntil)
      .when((rows) => decideHold(rows, hold(ids("A1")), defaultPolicies))
      .thenEvents({ ...held(ids("A1")), at: holdUntil, holdExpiresAt: holdUntil + 300_000 })
  })

  describe("limits", () => {
    const rows = (had: number, userId = ada) => ({
      ...hall({ seatId: "A1" }, { seatId: "A2" }, { seatId: "A3" }),
      seatCounts: [[holdingKey(gala, userId), had] as const]
    })
    const policies = { ...defaultPolicies, seatsPerReservation: 2, seatsPerUser: 4 }

    it("seats per reservation", () => {
      given(rows(0))
        .at(now)
        .when((rows) => decideHold(rows, hold(ids("A1", "A2")), policies))
        .thenEvents(held(ids("A1", "A2")))
      given(rows(0))
        .at(now)
        .when((rows) => decideHold(rows, hold(ids("A1", "A2", "A3")), policies))
        .thenRefused(new LimitExceeded({ name: "seatsPerReservation", limit: 2 }))
    })

    it("seats per user", () => {
      given(rows(2))
        .at(now)
        .when((rows) => decideHold(rows, hold(ids("A1", "A2")), policies))
        .thenEvents(held(ids("A1", "A2")))
      given(rows(3))
        .at(now)
        .when((rows) => decideHold(rows, hold(ids("A1", "A2")), policies))
        .thenRefused(new LimitExceeded({ name: "seatsPerUser", limit: 4 }))
    })

    it("another user's seats do not count", () => {
      given(rows(4, grace))
        .at(now)
        .when((rows) => decideHold(rows, hold(ids("A1", "A2")), policies))
        .thenEvents(held(ids("A1", "A2")))
    })

    it("count within a batch", () => {
      given(rows(3), held(ids("A1")))
        .at(now)
        .when((rows) => decideHold(rows, hold(ids("A2"), ada, testId(2)), policies))
        .thenRefused(new LimitExceeded({ name: "seatsPerUser", limit: 4 }))
    })
  })

  describe("says the first thing that is wrong", () => {
    const tight = { ...defaultPolicies, seatsPerReservation: 1, seatsPerUser: 1 }

    it("performance, before seat", () => {
      given({ seats: [] })
        .at(now)
        .when((rows) => decideHold(rows, hold(ids("Z1", "Z2")), tight))
        .thenRefused(new PerformanceNotFound())
    })
    it("missing, before unavailable and limits", () => {
      given(hall({ seatId: "A1", status: "blocked" }))
        .at(now)
        .when((rows) => decideHold(rows, hold(ids("A1", "Z1")), tight))
        .thenRefused(new SeatNotFound({ seatIds: ["Z1"] }))
    })
    it("unavailable, before limits", () => {
      given(hall({ seatId: "A1", status: "blocked" }, { seatId: "A2" }))
        .at(now)
        .when((rows) => decideHold(rows, hold(ids("A1", "A2")), tight))
        .thenRefused(
          new SeatUnavailable({ conflicts: [{ seatId: ids("A1")[0]!, reason: "blocked" }] })
        )
    })
    it("seats per reservation, before seats per user", () => {
      given(hall({ seatId: "A1" }, { seatId: "A2" }))
        .at(now)
        .when((rows) => decideHold(rows, hold(ids("A1", "A2")), tight))
        .thenRefused(new LimitExceeded({ name: "seatsPerReservation", limit: 1 }))
    })
  })

  describe("within a batch", () => {
    const released: HoldReleased = {
      _tag: "HoldReleased",
      reservationId: testId(1),
      performanceId: gala,
      userId: ada,
      seatIds: ids("A1"),
      at: now
    }

    it("of two holds of one seat the first wins", () => {
      given(hall({ seatId: "A1" }), held(ids("A1")))
        .at(now)
        .when((rows) => decideHold(rows, hold(ids("A1"), grace, testId(2)), defaultPolicies))
        .thenRefused(
          new SeatUnavailable({ conflicts: [{ seatId: ids("A1")[0]!, reason: "held" }] })
        )
    })

    it("a released seat can be held", () => {
      const rows = given(hall({ seatId: "A1" }), held(ids("A1")), released)
        .at(now)
        .when((rows) => decideHold(rows, hold(ids("A1"), grace, testId(2)), defaultPolicies))
        .thenEvents(held(ids("A1"), grace, testId(2)))
      expect(rows.seat(gala, ids("A1")[0]!)).toMatchObject({ reservationId: testId(2) })
      expect(rows.seatsOf(gala, ada)).toBe(0)
      expect(rows.seatsOf(gala, grace)).toBe(1)
    })
  })
})

describe("release", () => {
  const release = { reservationId: testId(100), userId: ada }
  const released: HoldReleased = {
    _tag: "HoldReleased",
    reservationId: testId(100),
    performanceId: gala,
    userId: ada,
    seatIds: ids("A1"),
    at: now
  }
  const stored = (reservation: ReturnType<typeof reservationRow>) => ({
    reservations: [reservation],
    seats: seatsOf(reservation),
    seatCounts: [[holdingKey(gala, ada), 1] as const]
  })

  it("releases a hold and frees its seats", () => {
    const rows = given(stored(reservationRow()))
      .at(now)
      .when((rows) => decideRelease(rows, release))
      .thenEvents(released)
    expect(rows.reservations.get(testId(100))).toMatchObject({ status: "released", endedAt: now })
    expect(rows.seat(gala, ids("A1")[0]!)).toEqual(seatRow())
    expect(rows.seatsOf(gala, ada)).toBe(0)
  })

  it("another user's reservation looks the same as none", () => {
    given({})
      .at(now)
      .when((rows) => decideRelease(rows, release))
      .thenRefused(new ReservationNotFound())
    given(stored(reservationRow({ userId: "grace" })))
      .at(now)
      .when((rows) => decideRelease(rows, release))
      .thenRefused(new ReservationNotFound())
  })

  it.each(["confirmed", "cancelled"] as const)("refuses what is %s", (status) => {
    given(stored(reservationRow({ status })))
      .at(now)
      .when((rows) => decideRelease(rows, release))
      .thenRefused(new ReservationNotPayable({ status }))
  })

  it.each(["released", "expired"] as const)("changes nothing once %s", (status) => {
    given(stored(reservationRow({ status })))
      .at(now)
      .when((rows) => decideRelease(rows, release))
      .thenNothing()
  })

  it("changes nothing once lapsed, even if another user has the seats", () => {
    given(stored(reservationRow()))
      .at(holdUntil)
      .when((rows) => decideRelease(rows, release))
      .thenNothing()
    given(stored(reservationRow()))
      .at(holdUntil - 1)
      .when((rows) => decideRelease(rows, release))
      .thenEvents({ ...released, at: holdUntil - 1 })
  })

  it("twice within a batch is once", () => {
    given(stored(reservationRow()), released)
      .at(now)
      .when((rows) => decideRelease(rows, release))
      .thenNothing()
  })
})

describe("expiry", () => {
  const seats = ids("A1", "A2").map((seatId) => toSeat(seatRow({ seatId })))
  const reservation = reservationRow({ seats })
  const lapsed: HoldLapsed = {
    _tag: "HoldLapsed",
    reservationId: testId(100),
    performanceId: gala,
    userId: ada,
    holdExpiresAt: holdUntil,
    seatIds: ids("A1", "A2"),
    at: holdUntil
  }

  it("records a lapsed hold", () => {
    const rows = given({ reservations: [reservation], seats: seatsOf(reservation) })
      .at(holdUntil)
      .when((rows) => decideExpiry(rows, testId(100)))
      .thenEvents(lapsed)
    // It ended when it lapsed, however late it is tidied.
    expect(rows.reservations.get(testId(100))).toMatchObject({
      status: "expired",
      endedAt: holdUntil
    })
    expect(rows.seat(gala, ids("A2")[0]!)).toEqual(seatRow({ seatId: "A2" }))
  })

  it("leaves a live hold, and one millisecond is alive", () => {
    given({ reservations: [reservation], seats: seatsOf(reservation) })
      .at(holdUntil - 1)
      .when((rows) => decideExpiry(rows, testId(100)))
      .thenNothing()
  })

  it("does not free the seats that another user has taken since", () => {
    const [first, second] = seatsOf(reservation)
    const taken = { ...second!, reservationId: testId(2), heldUntil: holdUntil + 60_000 }
    const rows = given({ reservations: [reservation], seats: [first!, taken] })
      .at(holdUntil + 1)
      .when((rows) => decideExpiry(rows, testId(100)))
      .thenEvents({ ...lapsed, seatIds: ids("A1"), at: holdUntil + 1 })
    expect(rows.seat(gala, ids("A2")[0]!)).toEqual(taken)
  })

  it.each(["released", "expired", "confirmed", "cancelled"] as const)(
    "changes nothing once %s",
    (status) => {
      given({ reservations: [reservationRow({ status })] })
        .at(holdUntil)
        .when((rows) => decideExpiry(rows, testId(100)))
        .thenNothing()
    }
  )

  it("changes nothing if the reservation does not exist", () => {
    given({})
      .at(now)
      .when((rows) => decideExpiry(rows, testId(100)))
      .thenNothing()
  })
})

describe("a reservation as its owner sees it", () => {
  it("counts the seconds that are left, rounded up, to 0", () => {
    const at = (instant: number) => toReservation(reservationRow(), instant)
    expect(at(now).holdExpiresInSeconds).toBe(300)
    expect(at(now + 1).holdExpiresInSeconds).toBe(300)
    expect(at(holdUntil - 1)).toMatchObject({ status: "held", holdExpiresInSeconds: 1 })
    expect(at(holdUntil)).toMatchObject({ status: "expired", holdExpiresInSeconds: 0 })
  })

  it("paid for, it is never late", () => {
    const paid = reservationRow({ status: "confirmed" })
    expect(toReservation(paid, holdUntil)).toMatchObject({
      status: "confirmed",
      holdExpiresInSeconds: 0,
      confirmedAt: new Date(now)
    })
  })
})
