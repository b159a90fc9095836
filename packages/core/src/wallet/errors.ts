/** Errors of moving money. */

import { recordable, TaggedError } from "../engine/TaggedError.ts"
import { Currency, Money } from "../Money.ts"

/** The balance of the wallet is too small. Remedy: charge at least the difference. */
export class InsufficientBalance extends TaggedError<InsufficientBalance>()("InsufficientBalance", {
  required: Money,
  available: Money
}) {
  static {
    recordable(InsufficientBalance, "anyone")
  }
  readonly code = "insufficient_balance"
  override get message() {
    const [costs, has] = [this.required, this.available].map((m) => `${m.amount} ${m.currency}`)
    return `The reservation costs ${costs} and the wallet has ${has}, in minor units: charge the wallet, then pay with a new idempotency key.`
  }
}

/** The wallet is in another currency. */
export class CurrencyMismatch extends TaggedError<CurrencyMismatch>()("CurrencyMismatch", {
  expected: Currency,
  actual: Currency
}) {
  static {
    recordable(CurrencyMismatch, "anyone")
  }
  readonly code = "currency_mismatch"
  override get message() {
    return `Expected ${this.expected}, got ${this.actual}.`
  }
}
