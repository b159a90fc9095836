/** What giving money back can refuse. */
import { Schema } from "effect"

/** No such payment. */
export class PaymentNotFound extends Schema.TaggedError<PaymentNotFound>()("PaymentNotFound", {}) {
  readonly code = "payment_not_found"
  override get message() {
    return "There is no such payment."
  }
}
