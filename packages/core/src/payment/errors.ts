/** What giving money back can refuse. */
import { TaggedError } from "../engine/TaggedError.ts"

/** No such payment. */
export class PaymentNotFound extends TaggedError<PaymentNotFound>()("PaymentNotFound", {}) {
  readonly code = "payment_not_found"
  override get message() {
    return "There is no such payment."
  }
}
