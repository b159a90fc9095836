/** Paying and refunding, as promises. */
import type { PayError, PayInput, RefundError, RefundInput } from "../Payments.ts"
import type { Payment, Refund } from "../payment/model.ts"
import type { CallOptions, Outcome } from "./outcome.ts"

/**
 * Paying for a reservation, and giving the money back. Every operation can reject with
 * `request_invalid`, `idempotency_key_reused`, `overloaded` and `store_unavailable`. Give an
 * `idempotencyKey`: then a repeated call moves the money once, and gives its first answer again.
 */
export interface PromisedPayments {
  /**
   * Confirms the user's hold, debits their wallet at the price it was held for and, by default,
   * completes their queue token: all of it, or none. Gated.
   *
   * Rejects with the gate's `queue_token_*` and `policy_failed`, `reservation_not_found`, `reservation_not_payable`
   * (paid, released or cancelled before), `hold_expired`, `insufficient_balance` (with what is
   * there), `currency_mismatch`.
   *
   * @example
   * ```ts
   * import type { PromisedBoxOffice, Caller } from "@boxoffice/core"
   *
   * const pay = async (office: PromisedBoxOffice, caller: Caller, reservationId: string) => {
   *   const paid = await office.results.payments.pay({
   *     ...caller,
   *     reservationId,
   *     idempotencyKey: `pay-${reservationId}`
   *   })
   *   if (paid.ok) return "thank you"
   *   switch (paid.error._tag) {
   *     case "InsufficientBalance":
   *       return `charge ${paid.error.required.amount - paid.error.available.amount} more`
   *     case "HoldExpired":
   *       return "too late: choose your seats again"
   *     default:
   *       return paid.error.message
   *   }
   * }
   * ```
   */
  readonly pay: (input: PayInput, options?: CallOptions) => Promise<Payment>

  /**
   * Cancels a paid reservation, frees its seats and gives the money back to the wallet, or as much
   * of it as your refund policy says. An operator's act: who may ask for it is yours to decide.
   *
   * Rejects with `payment_not_found`, `reservation_not_payable` (refunded before),
   * `refund_refused` and `policy_failed` (your refund policy).
   */
  readonly refund: (input: RefundInput, options?: CallOptions) => Promise<Refund>
}

/** The operations of {@link PromisedPayments}, with their errors as values. */
export interface PaymentResults {
  /** See {@link PromisedPayments.pay}. */
  readonly pay: (input: PayInput, options?: CallOptions) => Promise<Outcome<Payment, PayError>>
  /** See {@link PromisedPayments.refund}. */
  readonly refund: (
    input: RefundInput,
    options?: CallOptions
  ) => Promise<Outcome<Refund, RefundError>>
}
