/** The checkout of a shop that embeds the engine. */
import type { PromisedBoxOffice } from "@boxoffice/core"

export interface Order {
  readonly userId: string
  readonly queueToken: string
  readonly reservationId: string
  /** Made by the browser for each click on "pay", and sent again with each retry of it. */
  readonly attemptId: string
}

export type Answer =
  | { readonly status: "paid"; readonly paymentId: string }
  | { readonly status: "charge first"; readonly missing: bigint }
  | { readonly status: "seats lost" }
  | { readonly status: "queue again" }
  | { readonly status: "try again"; readonly afterSeconds: number }

export const checkout = async (office: PromisedBoxOffice, order: Order): Promise<Answer> => {
  const { attemptId, ...pay } = order
  const paid = await office.results.payments.pay({ ...pay, idempotencyKey: attemptId })
  if (paid.ok) return { status: "paid", paymentId: paid.value.paymentId }
  const { error } = paid
  switch (error._tag) {
    case "InsufficientBalance":
      return { status: "charge first", missing: error.required.amount - error.available.amount }
    case "HoldExpired":
    case "ReservationNotFound":
    case "ReservationNotPayable":
      return { status: "seats lost" }
    case "QueueTokenRequired":
    case "QueueTokenInvalid":
    case "QueueTokenExpired":
    case "QueueTokenWaiting":
    case "QueueTokenWrongQueue":
      return { status: "queue again" }
    case "Overloaded":
      return { status: "try again", afterSeconds: error.retryAfterSeconds }
    case "StoreUnavailable":
      if (!error.retryable) throw error
      return { status: "try again", afterSeconds: 1 }
    case "RequestInvalid":
    case "IdempotencyConflict":
    case "CurrencyMismatch":
    case "PolicyFailed":
      // Mistakes of the shop's own.
      throw error
    default:
      return error satisfies never
  }
}
