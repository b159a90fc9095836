/** Errors of refunds. */
import { TaggedError } from "../engine/TaggedError.ts"

/** There is no payment with this id. */
export class PaymentNotFound extends TaggedError<PaymentNotFound>()("PaymentNotFound", {}) {
  readonly code = "payment_not_found"
  override get message() {
    return "There is no such payment."
  }
}
