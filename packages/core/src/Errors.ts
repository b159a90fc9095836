/** Errors that operations of all services share. */
import { Schema } from "effect"
import { Closed } from "./engine/Closed.ts"
import { recordable, TaggedError } from "./engine/TaggedError.ts"

/** The input is invalid. `errors` lists every problem; nothing was done. */
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

/**
 * Too many commands wait already, so this one was refused. Nothing was done. Remedy: try again
 * later.
 */
export class Overloaded extends TaggedError<Overloaded>()("Overloaded", {
  retryAfterSeconds: Schema.Int
}) {
  readonly code = "overloaded"
  override get message() {
    return `Too many requests are waiting: try again in ${this.retryAfterSeconds} s.`
  }
}

/**
 * The store cannot be reached, or its answer was an error. If `retryable`, trying again with the
 * same idempotency key may help, and is safe: if the answer to a commit was lost, the engine finds
 * the commit.
 */
export class StoreUnavailable extends TaggedError<StoreUnavailable>()("StoreUnavailable", {
  retryable: Schema.Boolean,
  cause: Schema.Defect(),
  /**
   * True if another transaction holds a row or lock for long: only commands that need it must wait.
   */
  isBusy: Schema.optionalKey(Schema.Boolean),
  /** @internal A statement took too long: it may have waited for many locks, one after the other. */
  isSlow: Schema.optionalKey(Schema.Boolean),
  /** True if the id of something that a command would add is taken. */
  isTaken: Schema.optionalKey(Schema.Boolean),
  /** Present if the store could not be opened: the host and port of the attempt. */
  address: Schema.optionalKey(Schema.String)
}) {
  readonly code = "store_unavailable"
  override get message() {
    if (this.cause instanceof Closed) return this.cause.message
    if (!this.retryable) return "The store refused: see the cause."
    return this.address === undefined
      ? "The store is unavailable: try again in a moment."
      : `The store at ${this.address} is unavailable: see that this is its address and that it runs, then try again.`
  }
}

/** The faults that any command can meet, whatever it is about. */
export type EngineFault = RequestInvalid | Overloaded | StoreUnavailable
