/** Money through the services: charges, statements, payments and refunds. */
import { describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { expect } from "vitest"
import { LimitExceeded, PaymentNotFound } from "../src/index.ts"
import { won } from "../src/testing.ts"
import { engine, openOffice, problems } from "./support.ts"

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
