/** The gate as the services apply it, operation by operation. */
import { describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { expect } from "vitest"
import {
  QueueTokenExpired,
  QueueTokenInvalid,
  QueueTokenRequired,
  QueueTokenWaiting,
  QueueTokenWrongQueue,
  ReservationNotFound
} from "../src/index.ts"
import { won } from "../src/testing.ts"
import { engine, openOffice } from "./support.ts"

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

  it.effect(
    "lets nobody pay for a reservation who has not held it, once the session has ended",
    () =>
      Effect.gen(function* () {
        const office = yield* openOffice({ sessionSeconds: 60, claimSeconds: 60 })
        const bob = yield* office.caller("bob")
        yield* TestClock.adjust("61 seconds")
        const ada = yield* office.caller("ada")
        const { reservationId } = yield* office.reservations.hold({
          ...ada,
          performanceId: "gala-1",
          seatIds: ["A1"]
        })
        expect(yield* Effect.flip(office.payments.pay({ ...bob, reservationId }))).toBeInstanceOf(
          QueueTokenExpired
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

  it.effect("does not apply to charges by the operator", () =>
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
