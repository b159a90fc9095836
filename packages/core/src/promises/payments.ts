/** Payments and refunds as promises. */
import type { PayError, PayInput, RefundError, RefundInput } from "../Payments.ts"
import type { Payment, Refund } from "../payment/model.ts"
import type { CallOptions, Outcome } from "./outcome.ts"

/**
 * Pays for reservations and refunds them. Every operation can reject with `request_invalid`,
 * `idempotency_key_reused`, `overloaded` and `store_unavailable`. Give an `idempotencyKey`: then a
 * repeated call moves the money once, and resolves with the first answer again.
 */
export interface PromisedPayments {
  /**
   * Confirms the user's hold, debits their wallet by the price at the time of the hold and, by
   * default, completes their queue token: all of that, or none. Gated.
   *
   * Rejects with the gate's `queue_token_*` and `policy_failed`, `reservation_not_found`,
   * `reservation_not_payable` (paid, released or cancelled before), `hold_expired`,
   * `insufficient_balance` (with the balance), `currency_mismatch`.
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
   * of it as the host's refund policy says. An operation for operators: the host decides which
   * callers may use it.
   *
   * Rejects with `payment_not_found`, `reservation_not_payable` (refunded before),
   * `refund_refused` and `policy_failed` (the host's refund policy).
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
