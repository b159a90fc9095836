/** Holds: all seats or none, for a limited time, by one user. */
import assert from "node:assert/strict"
import { Effect } from "effect"
import type { ConformanceTest } from "./harness.ts"
import { inWorld, krw, newSeats, refused, tally, times } from "./world.ts"

export const reservationTests: ReadonlyArray<ConformanceTest> = [
  inWorld("a hold is read back as it was returned", {}, ({ office, join, hold, store }) =>
    Effect.gen(function* () {
      const ada = yield* join("ada")
      const held = yield* hold(ada, "S2", "S1")
      assert.equal(held.status, "held")
      assert.deepEqual(held.amount, krw(2_000n))
      assert.deepEqual(
        held.seats.map((seat) => [seat.seatId, seat.section, seat.row, seat.number]),
        [
          ["S2", "Stalls", "1", "2"],
          ["S1", "Stalls", "1", "1"]
        ]
      )
      assert.equal(held.holdExpiresAt.getTime() - held.heldAt.getTime(), 300_000)
      const { reservationId } = held
      const read = yield* office.reservations.get({ userId: ada.userId, reservationId })
      assert.deepEqual({ ...read, holdExpiresInSeconds: 300 }, held)
      const stored = yield* store.reservation(reservationId)
      assert.equal(stored.reservations[0]!.endedAt, null)
    })
  ),
  inWorld("a refusal names every unavailable seat, and none is held", {}, (world) =>
    Effect.gen(function* () {
      const { office, performanceId, join, hold, charge } = world
      const ada = yield* join("ada")
      yield* charge(ada, 1_000n)
      const sold = yield* hold(ada, "S1")
      yield* office.payments.pay({ ...ada, reservationId: sold.reservationId })
      const bob = yield* join("bob")
      yield* hold(bob, "S2")
      const blocked = newSeats(1, 99).map((seat) => ({ ...seat, blocked: true }))
      yield* office.catalog.addSeats({ performanceId, seats: blocked })
      const eve = yield* join("eve")
      const error = yield* refused("SeatUnavailable", hold(eve, "S3", "S2", "S99", "S1"))
      assert.deepEqual(
        error.conflicts.map(({ seatId, reason }) => [seatId, reason]),
        [
          ["S2", "held"],
          ["S99", "blocked"],
          ["S1", "sold"]
        ]
      )
      yield* hold(eve, "S3")
      const missing = yield* refused("SeatNotFound", hold(eve, "S4", "S404", "no such"))
      assert.deepEqual(missing.seatIds, ["S404", "no such"])
      yield* hold(eve, "S4")
    })
  ),
  inWorld("a hold that lapses is free at once, with no sweeper", {}, (world) =>
    Effect.gen(function* () {
      const { office, join, hold, charge, passTime } = world
      const ada = yield* join("ada")
      const bob = yield* join("bob")
      yield* charge(ada, 5_000n)
      const lost = yield* hold(ada, "S1", "S2")
      yield* refused("SeatUnavailable", hold(bob, "S2"))
      yield* passTime(301_000)
      const taken = yield* hold(bob, "S2")
      const read = yield* office.reservations.get({
        userId: ada.userId,
        reservationId: lost.reservationId
      })
      assert.deepEqual([read.status, read.holdExpiresInSeconds], ["expired", 0])
      const late = office.payments.pay({ ...ada, reservationId: lost.reservationId })
      const expired = yield* refused("HoldExpired", late)
      assert.equal(expired.expiredAt.getTime(), read.holdExpiresAt.getTime())
      // Releasing the lapsed hold must not free the seats that Bob holds now.
      yield* office.reservations.release({
        userId: ada.userId,
        reservationId: lost.reservationId
      })
      const kept = yield* office.reservations.get({
        userId: bob.userId,
        reservationId: taken.reservationId
      })
      assert.equal(kept.status, "held")
      yield* refused("SeatUnavailable", hold(ada, "S2"))
    })
  ),
  inWorld("a sweep records the lapse and takes no seat from a later hold", {}, (world) =>
    Effect.gen(function* () {
      const { office, join, hold, passTime, sweep, store } = world
      const ada = yield* join("ada")
      const bob = yield* join("bob")
      const lost = yield* hold(ada, "S1", "S2")
      yield* passTime(301_000)
      yield* hold(bob, "S2")
      yield* sweep
      const { reservations } = yield* store.reservation(lost.reservationId)
      assert.equal(reservations[0]!.status, "expired")
      assert.equal(reservations[0]!.endedAt, reservations[0]!.holdExpiresAt)
      yield* refused("SeatUnavailable", hold(ada, "S2"))
      yield* hold(ada, "S1")
      const left = yield* store.lapsed(1_000)
      assert.ok(!left.reservations.includes(lost.reservationId))
      yield* refused(
        "HoldExpired",
        office.payments.pay({ ...ada, reservationId: lost.reservationId })
      )
    })
  ),
  inWorld("a released hold frees its seats, once", {}, ({ office, join, hold }) =>
    Effect.gen(function* () {
      const ada = yield* join("ada")
      const bob = yield* join("bob")
      const held = yield* hold(ada, "S1")
      const { reservationId } = held
      yield* refused(
        "ReservationNotFound",
        office.reservations.release({ userId: bob.userId, reservationId })
      )
      yield* office.reservations.release({ userId: ada.userId, reservationId })
      yield* hold(bob, "S1")
      yield* office.reservations.release({ userId: ada.userId, reservationId })
      yield* refused("SeatUnavailable", hold(ada, "S1"))
      const pay = office.payments.pay({ ...ada, reservationId })
      assert.equal((yield* refused("ReservationNotPayable", pay)).status, "released")
    })
  ),
  inWorld(
    "another user's reservation is refused like a missing one",
    {},
    ({ office, join, hold }) =>
      Effect.gen(function* () {
        const ada = yield* join("ada")
        const bob = yield* join("bob")
        const { reservationId } = yield* hold(ada, "S1")
        const { userId } = bob
        yield* refused("ReservationNotFound", office.reservations.get({ userId, reservationId }))
        yield* refused("ReservationNotFound", office.payments.pay({ ...bob, reservationId }))
        for (const none of ["nope", "00000000-0000-7000-8000-000000000000"]) {
          const named = { ...bob, reservationId: none }
          yield* refused("ReservationNotFound", office.reservations.get(named))
          yield* refused("ReservationNotFound", office.reservations.release(named))
          yield* refused("ReservationNotFound", office.payments.pay(named))
        }
      })
  ),
  inWorld("200 callers on one seat: one has it", {}, ({ join, hold }) =>
    Effect.gen(function* () {
      const callers = yield* Effect.all(
        times(200, (i) => join(String(i))),
        { concurrency: "unbounded" }
      )
      const { succeeded, tags } = yield* tally(callers.map((caller) => hold(caller, "S1")))
      assert.equal(succeeded.length, 1)
      assert.deepEqual(tags, { SeatUnavailable: 199 })
    })
  ),
  inWorld(
    "100 holds of one user at once never pass the limit",
    { seats: 100, policies: { seatsPerUser: 7 } },
    ({ join, hold }) =>
      Effect.gen(function* () {
        const ada = yield* join("ada")
        const { succeeded, tags } = yield* tally(times(100, (i) => hold(ada, `S${i + 1}`)))
        assert.equal(succeeded.length, 7)
        assert.deepEqual(tags, { LimitExceeded: 93 })
      })
  ),
  inWorld("lapsed holds do not count towards limits", { policies: { seatsPerUser: 2 } }, (world) =>
    Effect.gen(function* () {
      const { join, hold, passTime } = world
      const ada = yield* join("ada")
      yield* hold(ada, "S1", "S2")
      const error = yield* refused("LimitExceeded", hold(ada, "S3"))
      assert.deepEqual([error.name, error.limit], ["seatsPerUser", 2])
      yield* passTime(301_000)
      yield* hold(ada, "S3")
    })
  ),
  inWorld("more holds at once than connections all finish", { seats: 300 }, ({ join, hold }) =>
    Effect.gen(function* () {
      const callers = yield* Effect.all(
        times(300, (i) => join(String(i))),
        { concurrency: "unbounded" }
      )
      const { succeeded } = yield* tally(callers.map((caller, i) => hold(caller, `S${i + 1}`)))
      assert.equal(succeeded.length, 300)
      assert.equal(new Set(succeeded.map((held) => held.reservationId)).size, 300)
    })
  ),
  inWorld("a user's reservations come newest first, in pages", {}, ({ office, join, hold }) =>
    Effect.gen(function* () {
      const ada = yield* join("ada")
      const held = []
      for (const seat of ["S1", "S2", "S3"]) held.unshift(yield* hold(ada, seat))
      const { userId } = ada
      const first = yield* office.reservations.list({ userId, limit: 2 })
      const second = yield* office.reservations.list({ userId, limit: 2, after: first.next! })
      assert.deepEqual(
        [...first.items, ...second.items].map((r) => r.reservationId),
        held.map((r) => r.reservationId)
      )
      assert.equal(second.next, null)
    })
  )
]
