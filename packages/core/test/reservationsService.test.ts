/** Reservations through their service: holds, lists and lapses. */
import { describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { expect } from "vitest"
import { HoldExpired, ReservationNotFound, SeatUnavailable } from "../src/index.ts"
import { won } from "../src/testing.ts"
import { engine, openOffice, problems, seatIds } from "./support.ts"

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
