/** Errors of the policies that a host gives. */
import { Schema } from "effect"
import { recordable, TaggedError } from "../engine/TaggedError.ts"

/** The policies that can be functions of the host. */
export const PolicyName = Schema.Literals([
  "gate",
  "holdSeconds",
  "seatsPerReservation",
  "seatsPerUser",
  "price",
  "walletCeiling",
  "refund",
  "admission",
  // A policy of the HTTP server: see its `ChargesOption`.
  "charges"
])
export type PolicyName = typeof PolicyName.Type

/**
 * A policy function of the host threw, or returned a value that is not allowed. Nothing was done,
 * and nothing is recorded for the idempotency key. Remedy: repair the function, then repeat the
 * call.
 */
export class PolicyFailed extends TaggedError<PolicyFailed>()("PolicyFailed", {
  policy: PolicyName,
  /** What was wrong with the returned value. */
  reason: Schema.String,
  /** What the function threw, if it did. */
  cause: Schema.Defect()
}) {
  readonly code = "policy_failed"
  override get message() {
    return `The policy ${this.policy} ${this.reason}.`
  }
}

/** The host's refund policy refused the refund. Nothing was done. */
export class RefundRefused extends TaggedError<RefundRefused>()("RefundRefused", {
  /** In the policy's own words. */
  reason: Schema.String
}) {
  static {
    recordable(RefundRefused, "anyone")
  }
  readonly code = "refund_refused"
  override get message() {
    return this.reason
  }
}

/** The policies given for a new engine are invalid. `errors` lists every problem. */
export class PoliciesInvalid extends TaggedError<PoliciesInvalid>()("PoliciesInvalid", {
  errors: Schema.Array(Schema.Struct({ path: Schema.String, message: Schema.String }))
}) {
  override get message() {
    return `Policies: ${this.errors.map((e) => `${e.path}: ${e.message}`).join("; ")}`
  }
}
