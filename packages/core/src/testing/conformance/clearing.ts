/** Retention: which rows are deleted because of their age, and which never are. */
import assert from "node:assert/strict"
import { Effect } from "effect"
import type { ConformanceTest } from "./harness.ts"
import { inWorld, newSeats, refused } from "./world.ts"

export const clearingTests: ReadonlyArray<ConformanceTest> = [
  inWorld("reservations that ended unpaid long ago are deleted, all others stay", {}, (world) =>
    Effect.gen(function* () {
      const { office, store, join, hold, charge, passTime } = world
      const ada = yield* join("ada")
      yield* charge(ada, 10_000n)
      const { userId } = ada
      const { reservationId: released } = yield* hold(ada, "S1")
      yield* office.reservations.release({ ...ada, reservationId: released })
      const { reservationId: lapsed } = yield* hold(ada, "S2")
      const { reservationId: confirmed } = yield* hold(ada, "S3")
      yield* office.payments.pay({ ...ada, reservationId: confirmed })
      const again = yield* join("ada")
      const { reservationId: cancelled } = yield* hold(again, "S4")
      const { paymentId } = yield* office.payments.pay({ ...again, reservationId: cancelled })
      yield* office.payments.refund({ paymentId })
      yield* passTime(301_000)
      yield* office.reservations.expire([lapsed])
      yield* passTime(100_000)
      const late = yield* join("late")
      const { reservationId: fresh } = yield* hold(late, "S5")
      yield* office.reservations.release({ ...late, reservationId: fresh })

      while ((yield* store.clearReservations(50_000, 100)) > 0);
      for (const reservationId of [released, lapsed]) {
        yield* refused("ReservationNotFound", office.reservations.get({ userId, reservationId }))
      }
      const { items } = yield* office.reservations.list({ userId })
      assert.deepEqual(
        items.map((item) => [item.reservationId, item.status]),
        [
          [cancelled, "cancelled"],
          [confirmed, "confirmed"]
        ]
      )
      const kept = yield* office.reservations.get({ userId: late.userId, reservationId: fresh })
      assert.equal(kept.status, "released")
      // The seats are available, as before.
      const others = yield* join("others")
      yield* hold(others, "S1", "S2", "S4", "S5")
    })
  ),
  inWorld(
    "the engine repeats the outcome of a key until the store deletes it as too old",
    {},
    (world) =>
      Effect.gen(function* () {
        const { office, store, performanceId, join, passTime } = world
        const asked = { performanceId, seatIds: ["S99"] }
        const hold = (caller: { readonly userId: string; readonly queueToken: string }) =>
          office.reservations.hold({ ...caller, ...asked, idempotencyKey: "k" })
        const [old, young] = [yield* join("old"), yield* join("young")]
        yield* refused("SeatNotFound", hold(old))
        yield* passTime(100_000)
        yield* refused("SeatNotFound", hold(young))
        yield* office.catalog.addSeats({ performanceId, seats: newSeats(1, 99) })
        yield* refused("SeatNotFound", hold(old))
        while ((yield* store.clearOutcomes(50_000, 100)) > 0);
        yield* refused("SeatNotFound", hold(young))
        assert.equal((yield* hold(old)).status, "held")
      })
  ),
  inWorld(
    "the store deletes webhooks that were given up long ago, and never a waiting one",
    {},
    (world) =>
      Effect.gen(function* () {
        const { deliveries } = world.store
        const endpoint = world.user("crm")
        const park = (eventId: string) =>
          deliveries.park(endpoint, {
            eventId,
            aggregate: `wallet/${eventId}`,
            body: "{}",
            attempts: 0,
            delayMs: 0,
            error: null
          })
        const giveUp = (eventId: string) =>
          deliveries.refused(endpoint, eventId, { attempts: 1, error: "HTTP 500", delayMs: null })
        const dead = Effect.map(
          deliveries.dead(endpoint, { after: undefined, limit: 10 }),
          (letters) => letters.map(({ eventId }) => eventId)
        )
        for (const eventId of ["1-1", "2-1", "3-1"]) yield* park(eventId)
        yield* giveUp("1-1")
        yield* world.passTime(100_000)
        // Parked as long ago, but given up just now.
        yield* giveUp("2-1")
        while ((yield* deliveries.clear(50_000, 100)) > 0);
        assert.deepEqual(yield* dead, ["2-1"])
        assert.deepEqual(yield* deliveries.waiting(endpoint), new Map([["wallet/3-1", ["3-1"]]]))
        yield* deliveries.accepted(endpoint, "3-1")
        assert.equal(yield* deliveries.discard(endpoint, undefined), 1)
      })
  )
]
