/** Errors of refunds. */
import { recordable, TaggedError } from "../engine/TaggedError.ts"

/** There is no payment with this id. */
export class PaymentNotFound extends TaggedError<PaymentNotFound>()("PaymentNotFound", {}) {
  static {
    recordable(PaymentNotFound, "anyone")
  }
  readonly code = "payment_not_found"
  override get message() {
    return "There is no such payment."
  }
}
