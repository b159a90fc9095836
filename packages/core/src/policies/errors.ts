/** What goes wrong with the policies that a host gives. */
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
  // Of the HTTP server: see its `ChargesOption`.
  "charges"
])
export type PolicyName = typeof PolicyName.Type

/**
 * A policy that is a function of the host threw, or gave what it may not. Nothing was done, and
 * nothing is recorded for the idempotency key. Remedy: repair the function, then repeat the call.
 */
export class PolicyFailed extends TaggedError<PolicyFailed>()("PolicyFailed", {
  policy: PolicyName,
  /** What was wrong with the answer. */
  reason: Schema.String,
  /** What the function threw, if it did. */
  cause: Schema.Defect()
}) {
  readonly code = "policy_failed"
  override get message() {
    return `The policy ${this.policy} ${this.reason}.`
  }
}

/** The host's refund policy says no. Nothing was done. */
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

/** The policies that an engine was to be made with do not fit. Every problem is listed. */
export class PoliciesInvalid extends TaggedError<PoliciesInvalid>()("PoliciesInvalid", {
  errors: Schema.Array(Schema.Struct({ path: Schema.String, message: Schema.String }))
}) {
  override get message() {
    return `Policies: ${this.errors.map((e) => `${e.path}: ${e.message}`).join("; ")}`
  }
}
