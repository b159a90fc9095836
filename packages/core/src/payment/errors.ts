/** What giving money back can refuse. */
import { recordable, TaggedError } from "../engine/TaggedError.ts"

/** No such payment. */
export class PaymentNotFound extends TaggedError<PaymentNotFound>()("PaymentNotFound", {}) {
  static {
    recordable(PaymentNotFound, "anyone")
  }
  readonly code = "payment_not_found"
  override get message() {
    return "There is no such payment."
  }
}
