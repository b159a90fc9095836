import { describe, expect, it } from "vitest"
import type { PaymentRefunded, ReservationPaid, WalletCharged } from "../src/Events.ts"
import type { PerformanceId, QueueId, SeatId, ShowId, UserId } from "../src/Ids.ts"
import { decideCompletion, decidePay, decideRefund } from "../src/payment/decide.ts"
import { PaymentNotFound } from "../src/payment/errors.ts"
import { RefundRefused } from "../src/policies/errors.ts"
import { amountMaxOf } from "../src/policies/rules.ts"
import { defaultPolicies } from "../src/policies/settings.ts"
import type { TokenRow } from "../src/queue/model.ts"
import {
  HoldExpired,
  LimitExceeded,
  ReservationNotFound,
  ReservationNotPayable
} from "../src/reservation/errors.ts"
import type { UnpaidHold } from "../src/reservation/model.ts"
import {
  given,
  performanceRow,
  reservationRow,
  seatRow,
  seatsOf,
  testId,
  testStart,
  tokenRow,
  toSeat,
  walletRow,
  won
} from "../src/testing.ts"
import { decideCharge } from "../src/wallet/decide.ts"
import { CurrencyMismatch, InsufficientBalance } from "../src/wallet/errors.ts"

const now = testStart
const holdUntil = now + 300_000
const gala = "gala-1" as PerformanceId
const ada = "ada" as UserId
const A1 = "A1" as SeatId
const usd = (amount: bigint | number) => ({ amount: BigInt(amount), currency: "USD" })

describe("charge", () => {
  const charge = (amount = won(500)) => ({ transferId: testId(1), userId: ada, amount })
  const charged = (amount = won(500)): WalletCharged => ({
    _tag: "WalletCharged",
    ...charge(amount),
    at: now
  })

  it("makes the wallet of a user who never had one", () => {
    const rows = given({})
      .at(now)
      .when((rows) => decideCharge(rows, charge(), defaultPolicies))
      .thenEvents(charged())
    expect(rows.changes()).toMatchObject({
      wallets: [walletRow({ balance: 500n, version: 1 })],
      transfers: [{ kind: "charge", counterAccount: "cash", amount: 500n, balance: 500n }]
    })
  })

  it("adds to the balance, exactly beyond 2^53", () => {
    const balance = 2n ** 60n
    const policies = { ...defaultPolicies, walletCeiling: 2n ** 63n - 1n }
    const rows = given({ wallets: [walletRow({ balance, version: 8 })] })
      .at(now)
      .when((rows) => decideCharge(rows, charge(won(1)), policies))
      .thenEvents(charged(won(1)))
    expect(rows.wallets.get(ada)).toEqual(walletRow({ balance: balance + 1n, version: 9 }))
  })

  it("goes up to the ceiling and not above", () => {
    const policies = { ...defaultPolicies, walletCeiling: 1_000n }
    const over = new LimitExceeded({ name: "walletCeiling", limit: 1_000 })
    const from = (balance: bigint, amount: number) =>
      given({ wallets: [walletRow({ balance })] })
        .at(now)
        .when((rows) => decideCharge(rows, charge(won(amount)), policies))
    from(500n, 500).thenEvents(charged(won(500)))
    from(500n, 501).thenRefused(over)
    given({})
      .at(now)
      .when((rows) => decideCharge(rows, charge(won(1_001)), policies))
      .thenRefused(over)
  })

  it("keeps to the wallet's currency", () => {
    given({ wallets: [walletRow({ currency: "USD" })] })
      .at(now)
      .when((rows) => decideCharge(rows, charge(won(1)), defaultPolicies))
      .thenRefused(new CurrencyMismatch({ expected: "USD", actual: "KRW" }))
  })

  it("begins in the host's currency", () => {
    given({})
      .at(now)
      .when((rows) => decideCharge(rows, charge(usd(1)), defaultPolicies))
      .thenRefused(new CurrencyMismatch({ expected: "KRW", actual: "USD" }))
    given({})
      .at(now)
      .when((rows) => decideCharge(rows, charge(usd(1)), { ...defaultPolicies, currency: "USD" }))
      .thenEvents(charged(usd(1)))
  })

  it("says the limit before the currency", () => {
    given({})
      .at(now)
      .when((rows) => decideCharge(rows, charge(usd(2)), { ...defaultPolicies, walletCeiling: 1n }))
      .thenRefused(new LimitExceeded({ name: "walletCeiling", limit: 1 }))
  })

  it("twice within a batch counts both against the ceiling", () => {
    given({}, charged(won(600)))
      .at(now)
      .when((rows) =>
        decideCharge(rows, charge(won(600)), { ...defaultPolicies, walletCeiling: 1_000n })
      )
      .thenRefused(new LimitExceeded({ name: "walletCeiling", limit: 1_000 }))
  })
})

const stored = (reservation: ReturnType<typeof reservationRow>, balance: bigint) => ({
  performances: [performanceRow()],
  reservations: [reservation],
  seats: seatsOf(reservation),
  wallets: [walletRow({ balance, version: 1 })]
})

describe("pay", () => {
  const pay = { paymentId: testId(200), userId: ada, reservationId: testId(100) }
  const paid: ReservationPaid = {
    _tag: "ReservationPaid",
    ...pay,
    performanceId: gala,
    showId: "gala" as ShowId,
    seatIds: [A1],
    amount: won(110_000),
    at: now
  }

  it("confirms the hold and debits the wallet", () => {
    const rows = given(stored(reservationRow(), 200_000n))
      .at(now)
      .when((rows) => decidePay(rows, pay))
      .thenEvents(paid)
    expect(rows.reservations.get(testId(100))).toMatchObject({
      status: "confirmed",
      confirmedAt: now,
      paymentId: testId(200)
    })
    expect(rows.seat(gala, A1)).toMatchObject({
      status: "sold",
      reservationId: testId(100),
      heldUntil: null
    })
    expect(rows.wallets.get(ada)).toEqual(walletRow({ balance: 90_000n, version: 2 }))
    expect(rows.changes().transfers).toEqual([
      {
        transferId: testId(200),
        kind: "payment",
        userId: "ada",
        counterAccount: "revenue:gala",
        amount: -110_000n,
        currency: "KRW",
        version: 2,
        balance: 90_000n,
        reservationId: testId(100),
        at: now
      }
    ])
  })

  it("takes the last won: an exact balance is enough, and one less is not", () => {
    const rows = given(stored(reservationRow(), 110_000n))
      .at(now)
      .when((rows) => decidePay(rows, pay))
      .thenEvents(paid)
    expect(rows.wallets.get(ada)!.balance).toBe(0n)
    given(stored(reservationRow(), 109_999n))
      .at(now)
      .when((rows) => decidePay(rows, pay))
      .thenRefused(new InsufficientBalance({ required: won(110_000), available: won(109_999) }))
  })

  it("refuses a user who never charged", () => {
    const { wallets: _, ...rest } = stored(reservationRow(), 0n)
    given(rest)
      .at(now)
      .when((rows) => decidePay(rows, pay))
      .thenRefused(new InsufficientBalance({ required: won(110_000), available: won(0) }))
  })

  it("costs the price at which the seats were held", () => {
    const [seat] = seatsOf(reservationRow())
    given({ ...stored(reservationRow(), 110_000n), seats: [{ ...seat!, price: won(999_999) }] })
      .at(now)
      .when((rows) => decidePay(rows, pay))
      .thenEvents(paid)
  })

  it("another user's reservation looks the same as none", () => {
    given({ wallets: [walletRow({ balance: 200_000n })] })
      .at(now)
      .when((rows) => decidePay(rows, pay))
      .thenRefused(new ReservationNotFound())
    given(stored(reservationRow({ userId: "grace" }), 200_000n))
      .at(now)
      .when((rows) => decidePay(rows, pay))
      .thenRefused(new ReservationNotFound())
  })

  it("is too late at the instant of expiry, and not a millisecond before", () => {
    given(stored(reservationRow(), 110_000n))
      .at(holdUntil - 1)
      .when((rows) => decidePay(rows, pay))
      .thenEvents({ ...paid, at: holdUntil - 1 })
    given(stored(reservationRow(), 110_000n))
      .at(holdUntil)
      .when((rows) => decidePay(rows, pay))
      .thenRefused(new HoldExpired({ expiredAt: new Date(holdUntil) }))
  })

  it("is too late once the lapse was recorded, too", () => {
    given(stored(reservationRow({ status: "expired" }), 110_000n))
      .at(holdUntil)
      .when((rows) => decidePay(rows, pay))
      .thenRefused(new HoldExpired({ expiredAt: new Date(holdUntil) }))
  })

  it("is too late once another user has a seat of it, though the clock was set back", () => {
    const hold = reservationRow({
      seats: [toSeat(seatRow()), toSeat(seatRow({ seatId: "A2", number: "2" }))]
    })
    const [first, second] = seatsOf(hold)
    const taken = { ...second!, reservationId: testId(101), heldUntil: holdUntil + 60_000 }
    given({ ...stored(hold, 500_000n), seats: [first!, taken] })
      .at(now)
      .when((rows) => decidePay(rows, pay))
      .thenRefused(new HoldExpired({ expiredAt: new Date(holdUntil) }))
  })

  it.each(["confirmed", "released", "cancelled"] as const)("refuses what is %s", (status) => {
    given(stored(reservationRow({ status }), 200_000n))
      .at(now)
      .when((rows) => decidePay(rows, pay))
      .thenRefused(new ReservationNotPayable({ status }))
  })

  it("refuses a wallet in another currency", () => {
    const rows = {
      ...stored(reservationRow(), 0n),
      wallets: [walletRow({ currency: "USD", balance: 999_999n })]
    }
    given(rows)
      .at(now)
      .when((rows) => decidePay(rows, pay))
      .thenRefused(new CurrencyMismatch({ expected: "KRW", actual: "USD" }))
  })

  describe("says the first thing that is wrong", () => {
    const poor = (reservation: ReturnType<typeof reservationRow>, at = now) =>
      given(stored(reservation, 0n))
        .at(at)
        .when((rows) => decidePay(rows, pay))

    it("foreign, before anything about it", () => {
      poor(reservationRow({ userId: "grace", status: "confirmed" })).thenRefused(
        new ReservationNotFound()
      )
      poor(reservationRow({ userId: "grace" }), holdUntil).thenRefused(new ReservationNotFound())
    })
    it("not payable, before the balance, however long ago the hold would have lapsed", () => {
      poor(reservationRow({ status: "released" }), holdUntil).thenRefused(
        new ReservationNotPayable({ status: "released" })
      )
    })
    it("expired, before the balance", () => {
      poor(reservationRow(), holdUntil).thenRefused(
        new HoldExpired({ expiredAt: new Date(holdUntil) })
      )
    })
  })

  describe("within a batch", () => {
    it("two payments on a balance that covers one: the first is made", () => {
      const second = reservationRow({
        reservationId: testId(101),
        seats: [toSeat(seatRow({ seatId: "A2" }))]
      })
      const first = stored(reservationRow(), 150_000n)
      given(
        {
          ...first,
          reservations: [...first.reservations, second],
          seats: [...first.seats, ...seatsOf(second)]
        },
        paid
      )
        .at(now)
        .when((rows) =>
          decidePay(rows, { ...pay, paymentId: testId(201), reservationId: testId(101) })
        )
        .thenRefused(new InsufficientBalance({ required: won(110_000), available: won(40_000) }))
    })

    it("two payments of one reservation: the first is made", () => {
      given(stored(reservationRow(), 500_000n), paid)
        .at(now)
        .when((rows) => decidePay(rows, { ...pay, paymentId: testId(201) }))
        .thenRefused(new ReservationNotPayable({ status: "confirmed" }))
    })
  })
})

describe("the queue token of a user who has paid", () => {
  const main = "main" as QueueId
  const complete = (token: TokenRow, unpaid: ReadonlyArray<UnpaidHold> = []) =>
    given({ ...stored(reservationRow({ status: "confirmed" }), 0n), tokens: [token], unpaid })
      .at(now)
      .when((rows) => decideCompletion(rows, token.tokenId))

  it("is completed", () => {
    const token = tokenRow({ state: "admitted" })
    const { tokenId, queueId, userId } = token
    complete(token).thenEvents({ _tag: "QueueTokenCompleted", tokenId, queueId, userId, at: now })
  })

  it("stays while the user has another unpaid hold behind the queue, and no other user's counts", () => {
    const token = tokenRow({ state: "admitted" })
    const unpaid = (userId: string, queueId = main) => ({
      reservationId: testId(102),
      userId: userId as UserId,
      queueId,
      holdExpiresAt: now + 1
    })
    const { tokenId, queueId, userId } = token
    const completed = { _tag: "QueueTokenCompleted" as const, tokenId, queueId, userId, at: now }
    complete(token, [unpaid("ada")]).thenNothing()
    complete(token, [unpaid("bob")]).thenEvents(completed)
    complete(token, [unpaid("ada", "other" as QueueId)]).thenEvents(completed)
    complete(token, [{ ...unpaid("ada"), holdExpiresAt: now }]).thenEvents(completed)
  })

  it.each(["waiting", "completed", "left", "expired"] as const)("stays as it is once %s", (state) =>
    complete(tokenRow({ state })).thenNothing()
  )
})

describe("refund", () => {
  const refund = { refundId: testId(300), paymentId: testId(200) }
  const paid = reservationRow({ status: "confirmed" })
  const refunded: PaymentRefunded = {
    _tag: "PaymentRefunded",
    ...refund,
    reservationId: testId(100),
    performanceId: gala,
    userId: ada,
    showId: "gala" as ShowId,
    seatIds: [A1],
    amount: won(110_000),
    at: now
  }

  it("gives the money back, cancels, and frees the seats", () => {
    const rows = given(stored(paid, 5n))
      .at(now)
      .when((rows) => decideRefund(rows, refund))
      .thenEvents(refunded)
    expect(rows.reservations.get(testId(100))).toMatchObject({ status: "cancelled", endedAt: now })
    expect(rows.seat(gala, A1)).toEqual(seatRow())
    expect(rows.wallets.get(ada)).toEqual(walletRow({ balance: 110_005n, version: 2 }))
    expect(rows.changes().transfers).toMatchObject([
      { kind: "refund", counterAccount: "revenue:gala", amount: 110_000n, balance: 110_005n }
    ])
  })

  it("refuses what the wallet cannot hold, to the last unit", () => {
    const policies = { walletCeiling: 110_005n }
    given(stored(paid, amountMaxOf(policies) - 110_000n))
      .at(now)
      .when((rows) => decideRefund(rows, refund, policies))
      .thenEvents(refunded)
    given(stored(paid, amountMaxOf(policies) - 109_999n))
      .at(now)
      .when((rows) => decideRefund(rows, refund, policies))
      .thenRefused(
        new RefundRefused({
          reason: "The wallet cannot hold that much: let its owner spend some of it first."
        })
      )
  })

  it("refuses a payment that does not exist", () => {
    given(stored(reservationRow(), 0n))
      .at(now)
      .when((rows) => decideRefund(rows, refund))
      .thenRefused(new PaymentNotFound())
  })

  it("once", () => {
    given(stored(reservationRow({ status: "cancelled" }), 0n))
      .at(now)
      .when((rows) => decideRefund(rows, refund))
      .thenRefused(new ReservationNotPayable({ status: "cancelled" }))
  })

  it("once within a batch", () => {
    given(stored(paid, 0n), refunded)
      .at(now)
      .when((rows) => decideRefund(rows, { ...refund, refundId: testId(301) }))
      .thenRefused(new ReservationNotPayable({ status: "cancelled" }))
  })

  it("finds the payment among the reservations of a batch", () => {
    const other = reservationRow({
      status: "confirmed",
      reservationId: testId(101),
      paymentId: testId(201),
      userId: "grace"
    })
    given({ ...stored(paid, 0n), reservations: [other, paid] })
      .at(now)
      .when((rows) => decideRefund(rows, refund))
      .thenEvents(refunded)
  })
})
