/** What HTTP itself can refuse, beside what the engine does. */
import { Schema } from "effect"

/** Charges and payments move money: they need a key, so that a retry moves it once. */
export class IdempotencyKeyRequired extends Schema.TaggedError<IdempotencyKeyRequired>()(
  "IdempotencyKeyRequired",
  {}
) {
  readonly code = "idempotency_key_required"
  override get message() {
    return "This request needs an Idempotency-Key header."
  }
}

/** Nobody knows who is calling: the identity is missing, malformed or expired. */
export class IdentityRequired extends Schema.TaggedError<IdentityRequired>()("IdentityRequired", {
  /** What to send instead. */
  hint: Schema.String
}) {
  readonly code = "identity_required"
  override get message() {
    return this.hint
  }
}

/**
 * The server cannot find out now who is calling, since what it asks is away: the keys of the issuer
 * of JWTs, or the host's own sessions. The identity may be good.
 */
export class IdentityUnavailable extends Schema.TaggedError<IdentityUnavailable>()(
  "IdentityUnavailable",
  { retryAfterSeconds: Schema.Int }
) {
  readonly code = "identity_unavailable"
  override get message() {
    return `Who is calling cannot be checked at the moment: try again in ${this.retryAfterSeconds} s.`
  }
}

/** Nobody but those whom the operator lets may put money into a wallet. */
export class ChargeNotAllowed extends Schema.TaggedError<ChargeNotAllowed>()("ChargeNotAllowed", {
  /** Who may. */
  hint: Schema.String
}) {
  readonly code = "charge_not_allowed"
  override get message() {
    return this.hint
  }
}

/** The body is larger than this route takes. */
export class BodyTooLarge extends Schema.TaggedError<BodyTooLarge>()("BodyTooLarge", {
  /** The most that is taken, in bytes. */
  limit: Schema.Int
}) {
  readonly code = "body_too_large"
  override get message() {
    return `The body may have at most ${this.limit} bytes.`
  }
}

/** Bodies are JSON. */
export class UnsupportedMediaType extends Schema.TaggedError<UnsupportedMediaType>()(
  "UnsupportedMediaType",
  {}
) {
  readonly code = "unsupported_media_type"
  override get message() {
    return "The body must be sent as Content-Type: application/json."
  }
}

/** There is nothing at this path. */
export class RouteUnknown extends Schema.TaggedError<RouteUnknown>()("RouteUnknown", {}) {
  readonly code = "not_found"
  override get message() {
    return "There is nothing at this path."
  }
}

/** The path exists, but not with this method. */
export class MethodNotAllowed extends Schema.TaggedError<MethodNotAllowed>()("MethodNotAllowed", {
  allow: Schema.Array(Schema.String)
}) {
  readonly code = "method_not_allowed"
  override get message() {
    return `This path allows ${this.allow.join(", ")}.`
  }
}

/** The server is going away and takes no new work. Another node does. */
export class Draining extends Schema.TaggedError<Draining>()("Draining", {}) {
  readonly code = "draining"
  override get message() {
    return "This server is shutting down."
  }
}

/** A fault of the server's own. What it was is in its log, under the request's id. */
export class InternalError extends Schema.TaggedError<InternalError>()("InternalError", {}) {
  readonly code = "internal_error"
  override get message() {
    return "Something went wrong on the server. Its log has the reason under this requestId."
  }
}
