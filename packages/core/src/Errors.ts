/** What any operation can fail with, whatever it is about. */
import { Schema } from "effect"
import { recordable, TaggedError } from "./engine/TaggedError.ts"

/** The input does not fit. Every problem is listed; nothing was done. */
export class RequestInvalid extends TaggedError<RequestInvalid>()("RequestInvalid", {
  errors: Schema.Array(Schema.Struct({ path: Schema.String, message: Schema.String }))
}) {
  static {
    recordable(RequestInvalid, "operator")
  }
  readonly code = "request_invalid"
  override get message() {
    return this.errors
      .map((e) => (e.path === "" ? e.message : `${e.path}: ${e.message}`))
      .join("; ")
  }
}

/** The same idempotency key was used before for a different request. Nothing was done. */
export class IdempotencyConflict extends TaggedError<IdempotencyConflict>()(
  "IdempotencyConflict",
  {}
) {
  readonly code = "idempotency_key_reused"
  override get message() {
    return "This idempotency key was used for a different request."
  }
}

/** Too much waits already, so this was not taken. Nothing was done. Remedy: try again later. */
export class Overloaded extends TaggedError<Overloaded>()("Overloaded", {
  retryAfterSeconds: Schema.Int
}) {
  readonly code = "overloaded"
  override get message() {
    return `Too many requests are waiting: try again in ${this.retryAfterSeconds} s.`
  }
}

/**
 * The store cannot be reached, or did not answer as it should. With `retryable`, trying again with
 * the same idempotency key may help, and is safe: a commit whose answer was lost is found again.
 */
export class StoreUnavailable extends TaggedError<StoreUnavailable>()("StoreUnavailable", {
  retryable: Schema.Boolean,
  cause: Schema.Defect(),
  /** There where somebody else holds a row, or a lock, for long: others need not wait for it. */
  isBusy: Schema.optionalKey(Schema.Boolean),
  /** There where what a command would add has been there before, under the same id. */
  isTaken: Schema.optionalKey(Schema.Boolean),
  /** There where the store could not even be opened: the host and port where it was looked for. */
  address: Schema.optionalKey(Schema.String)
}) {
  readonly code = "store_unavailable"
  override get message() {
    if (!this.retryable) return "The store refused: see the cause."
    return this.address === undefined
      ? "The store is unavailable: try again in a moment."
      : `The store at ${this.address} is unavailable: see that this is its address and that it runs, then try again.`
  }
}
