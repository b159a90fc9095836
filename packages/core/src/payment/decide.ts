/** Rules of payments and refunds. Pure: rows in, an event or a refusal out. */
import { Result } from "effect"
import type { PaymentRefunded, QueueTokenCompleted, ReservationPaid } from "../Events.ts"
import type { Rows } from "../engine/Rows.ts"
import type { ReservationId, TokenId, TransferId, UserId } from "../Ids.ts"
import { copyMoney, type Money, money } from "../Money.ts"
import { type PolicyFailed, RefundRefused } from "../policies/errors.ts"
import { askRefund } from "../policies/evaluate.ts"
import { amountMaxOf, type PolicyOptions } from "../policies/rules.ts"
import { tokenStateAt } from "../queue/status.ts"
import { copySeat, ownSeats } from "../reservation/decide.ts"
import { HoldExpired, ReservationNotFound, ReservationNotPayable } from "../reservation/errors.ts"
import { reservationStatusAt } from "../reservation/model.ts"
import { CurrencyMismatch, InsufficientBalance } from "../wallet/errors.ts"
import type { WalletRow } from "../wallet/model.ts"
import { PaymentNotFound } from "./errors.ts"

export interface Pay {
  readonly paymentId: TransferId
  readonly userId: UserId
  readonly reservationId: ReservationId
}

export type PayRefusal =
  | ReservationNotFound
  | ReservationNotPayable
  | HoldExpired
  | InsufficientBalance
  | CurrencyMismatch

/** A user pays for their own live hold, at the price of the hold, from a wallet that covers it. */
export const decidePay = (rows: Rows, pay: Pay): Result.Result<ReservationPaid, PayRefusal> => {
  const reservation = rows.reservations.get(pay.reservationId)
  // Guard pay-own: without " || reservation…pay.userId", money.test "the same as none" fails.
  if (reservation === undefined || reservation.userId !== pay.userId) {
    return Result.fail(new ReservationNotFound())
  }
  const status = reservationStatusAt(reservation, rows.now)
  // Guard pay-in-time: without it, money.test "is too late at the instant of expiry" fails.
  if (status === "expired") {
    return Result.fail(new HoldExpired({ expiredAt: new Date(reservation.holdExpiresAt) }))
  }
  // Guard pay-held: without it, money.test "refuses what is" fails.
  if (status !== "held") return Result.fail(new ReservationNotPayable({ status }))
  // If the clock was set back, a lapsed hold counts as live again, but other users may have its
  // seats.
  // Guard pay-own-seats: without it, money.test "though the clock was set back" fails.
  if (ownSeats(rows, reservation).length < reservation.seats.length) {
    return Result.fail(new HoldExpired({ expiredAt: new Date(reservation.holdExpiresAt) }))
  }

  const { amount, performanceId } = reservation
  const uncovered = refuseUncovered(amount, rows.wallets.get(pay.userId))
  // Guard pay-covered: without it, money.test "takes the last won" fails.
  if (uncovered !== undefined) return Result.fail(uncovered)
  return Result.succeed({
    _tag: "ReservationPaid",
    paymentId: pay.paymentId,
    reservationId: pay.reservationId,
    performanceId,
    showId: rows.performances.get(performanceId)!.showId,
    userId: pay.userId,
    seatIds: reservation.seats.map((seat) => seat.seatId),
    amount,
    at: rows.now
  })
}

/**
 * A payment completes the user's token, unless the user has another unpaid hold behind the queue.
 */
export const decideCompletion = (
  rows: Rows,
  tokenId: TokenId
): ReadonlyArray<QueueTokenCompleted> => {
  const token = rows.tokens.get(tokenId)
  // Guard complete-admitted: without ` || tokenStateAt(…"admitted"`, money.test "stays as it is once" fails.
  if (token === undefined || tokenStateAt(token, rows.now) !== "admitted") return []
  const { queueId, userId } = token
  // Guard complete-last: without it, money.test "another unpaid hold" fails.
  if (rows.hasUnpaid(userId, queueId)) return []
  return [{ _tag: "QueueTokenCompleted", tokenId, queueId, userId, at: rows.now }]
}

/** The refusal if a wallet does not cover the amount due. An amount of 0 needs no wallet. */
const refuseUncovered = (due: Money, wallet: WalletRow | undefined) => {
  if (due.amount === 0n) return undefined
  const currency = wallet?.currency ?? due.currency
  // Guard pay-currency: without it, money.test "refuses a wallet in another currency" fails.
  if (currency !== due.currency) {
    return new CurrencyMismatch({ expected: due.currency, actual: currency })
  }
  const available = wallet?.balance ?? 0n
  return available < due.amount
    ? new InsufficientBalance({ required: due, available: money(available, currency) })
    : undefined
}

export type RefundRefusal = PaymentNotFound | ReservationNotPayable | RefundRefused | PolicyFailed

/**
 * Refunds a payment once, as much of it as the policy says and never more than was paid. The
 * reservation is cancelled and its seats are free again.
 */
export const decideRefund = (
  rows: Rows,
  refund: { readonly refundId: TransferId; readonly paymentId: TransferId },
  policies: Pick<PolicyOptions, "refund"> & Partial<Pick<PolicyOptions, "walletCeiling">> = {}
): Result.Result<PaymentRefunded, RefundRefusal> => {
  const reservation = Array.from(rows.reservations.values()).find(
    // Guard refund-of-payment: with "true" for "row.paymentId…refund.paymentId", money.test "of a batch" fails.
    (row) => row.paymentId === refund.paymentId
  )
  if (reservation === undefined) return Result.fail(new PaymentNotFound())
  // Guard refund-once: without it, money.test "once within a batch" fails.
  if (reservation.status !== "confirmed") {
    return Result.fail(new ReservationNotPayable({ status: reservation.status }))
  }
  const { reservationId, performanceId, userId, amount } = reservation
  const { showId, startsAt } = rows.performances.get(performanceId)!
  const decision = askRefund(policies, () => ({
    paymentId: refund.paymentId,
    reservationId,
    userId,
    showId,
    performanceId,
    startsAt: new Date(startsAt),
    seats: reservation.seats.map(copySeat),
    amount: copyMoney(amount),
    paidAt: new Date(reservation.confirmedAt!),
    now: new Date(rows.now)
  }))
  if (Result.isFailure(decision)) return Result.fail(decision.failure)
  if ("refused" in decision.success) {
    return Result.fail(new RefundRefused({ reason: decision.success.refused }))
  }
  const back = decision.success.amount
  // Guard refund-fits: without it, money.test "what the wallet cannot hold" fails.
  if ((rows.wallets.get(userId)?.balance ?? 0n) + back > amountMaxOf(policies)) {
    const reason = "The wallet cannot hold that much: let its owner spend some of it first."
    return Result.fail(new RefundRefused({ reason }))
  }
  return Result.succeed({
    _tag: "PaymentRefunded",
    ...refund,
    reservationId,
    performanceId,
    userId,
    showId,
    seatIds: ownSeats(rows, reservation),
    amount: money(back, amount.currency),
    at: rows.now
  })
}
