import { Result } from "effect"
import { describe, expect, it } from "vitest"
import type { WalletCharged } from "../src/Events.ts"
import { evolve } from "../src/engine/evolve.ts"
import { defaultPolicies, LimitExceeded, SeatUnavailable, UserId } from "../src/index.ts"
import {
  decideCharge,
  decideHold,
  given,
  performanceRow,
  reservationRow,
  seatRow,
  seatsOf,
  testId,
  testStart,
  walletRow,
  won
} from "../src/testing.ts"

const ada = UserId.make("ada")
const charge = { transferId: testId(1), userId: ada, amount: won(5) }
const charged: WalletCharged = { _tag: "WalletCharged", ...charge, at: testStart }
const charging = (ceiling = 10n) =>
  given({ wallets: [walletRow({ balance: 1n })] })
    .at(testStart)
    .when((rows) => decideCharge(rows, charge, { ...defaultPolicies, walletCeiling: ceiling }))

describe("given, when, then", () => {
  it("works as its documentation shows", () => {
    const seat = seatRow({ status: "sold" })
    const hold = {
      reservationId: testId(1),
      userId: UserId.make("ada"),
      performanceId: seat.performanceId,
      seatIds: [seat.seatId]
    }
    given({ performances: [performanceRow()], seats: [seat] })
      .at("2030-01-01T12:00:00Z")
      .when((rows) => decideHold(rows, hold, defaultPolicies))
      .thenRefused(new SeatUnavailable({ conflicts: [{ seatId: seat.seatId, reason: "sold" }] }))
  })

  it("gives the rows once the events have taken effect, the past ones included", () => {
    const rows = given({}, charged)
      .at(new Date(testStart))
      .when(() => charged)
      .thenEvents(charged)
    expect(rows.wallets.get(ada)).toEqual(walletRow({ balance: 10n, version: 2 }))
  })

  it("fails where other events were expected, none, or a refusal", () => {
    charging().thenEvents(charged)
    expect(() => charging().thenEvents({ ...charged, at: 0 })).toThrow()
    expect(() => charging().thenEvents(charged, charged)).toThrow()
    expect(() => charging().thenNothing()).toThrow()
    expect(() =>
      charging().thenRefused(new LimitExceeded({ name: "walletCeiling", limit: 10 }))
    ).toThrow("Not refused")
  })

  it("fails where another refusal was expected, or none", () => {
    const refused = (limit: number) => new LimitExceeded({ name: "walletCeiling", limit })
    charging(2n).thenRefused(refused(2))
    expect(() => charging(2n).thenRefused(refused(3))).toThrow()
    expect(() => charging(2n).thenEvents(charged)).toThrow("Refused")
    expect(() => charging(2n).thenNothing()).toThrow("Refused")
    // Another class with the same fields is another error.
    class Lookalike extends LimitExceeded {}
    const lookalike = new Lookalike({ name: "walletCeiling", limit: 2 })
    expect(() => charging(2n).thenRefused(lookalike)).toThrow()
  })

  it("fails a decider that changes the rows, or answers differently each time", () => {
    const scenario = given({}).at(testStart)
    expect(() =>
      scenario.when((rows) => {
        evolve(rows, charged)
        return charged
      })
    ).toThrow("The decider changed the rows.")
    let n = 0
    expect(() => scenario.when(() => Result.succeed({ ...charged, at: n++ }))).toThrow(
      "The decider answered differently again."
    )
  })
})

describe("builders", () => {
  it("give a reservation the seats that go with it", () => {
    expect(seatsOf(reservationRow())).toMatchObject([
      { status: "held", reservationId: testId(100), heldUntil: testStart + 300_000 }
    ])
    expect(seatsOf(reservationRow({ status: "confirmed" }))).toMatchObject([
      { status: "sold", reservationId: testId(100), heldUntil: null }
    ])
    for (const status of ["released", "expired", "cancelled"] as const) {
      expect(seatsOf(reservationRow({ status }))).toEqual([seatRow()])
    }
  })
})
