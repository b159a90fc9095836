/** Errors of the HTTP server itself, in addition to those of the engine. */
import { Schema } from "effect"

/** A charge or payment came without a key. They move money, and only a key makes a retry safe. */
export class IdempotencyKeyRequired extends Schema.TaggedError<IdempotencyKeyRequired>()(
  "IdempotencyKeyRequired",
  {}
) {
  readonly code = "idempotency_key_required"
  override get message() {
    return "This request needs an Idempotency-Key header."
  }
}

/** The server cannot identify the caller: the identity is missing, malformed or expired. */
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
 * The server cannot check the identity now, because a system that it depends on is unavailable: the
 * keys of the JWT issuer, or the host's session store. The identity may be valid.
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

/** The operator's setting for charges does not let this caller charge the wallet. */
export class ChargeNotAllowed extends Schema.TaggedError<ChargeNotAllowed>()("ChargeNotAllowed", {
  /** Which callers may. */
  hint: Schema.String
}) {
  readonly code = "charge_not_allowed"
  override get message() {
    return this.hint
  }
}

/** The body is larger than this route accepts. */
export class BodyTooLarge extends Schema.TaggedError<BodyTooLarge>()("BodyTooLarge", {
  /** The maximum size, in bytes. */
  limit: Schema.Int
}) {
  readonly code = "body_too_large"
  override get message() {
    return `The body may have at most ${this.limit} bytes.`
  }
}

/** The body is not JSON by its content type. */
export class UnsupportedMediaType extends Schema.TaggedError<UnsupportedMediaType>()(
  "UnsupportedMediaType",
  {}
) {
  readonly code = "unsupported_media_type"
  override get message() {
    return "The body must be sent as Content-Type: application/json."
  }
}

/** No route has this path. */
export class RouteUnknown extends Schema.TaggedError<RouteUnknown>()("RouteUnknown", {}) {
  readonly code = "not_found"
  override get message() {
    return "There is no such route: GET /openapi.json lists all routes. Admin routes exist only if the server has an admin token."
  }
}

/** A route has this path, but with another method. */
export class MethodNotAllowed extends Schema.TaggedError<MethodNotAllowed>()("MethodNotAllowed", {
  allow: Schema.Array(Schema.String)
}) {
  readonly code = "method_not_allowed"
  override get message() {
    return `This path allows ${this.allow.join(", ")}.`
  }
}

/** The server is shutting down and accepts no new long-lived requests; other nodes do. */
export class Draining extends Schema.TaggedError<Draining>()("Draining", {}) {
  readonly code = "draining"
  override get message() {
    return "This server is shutting down."
  }
}

/** A fault of the server. Its log has the cause, under the request's id. */
export class InternalError extends Schema.TaggedError<InternalError>()("InternalError", {}) {
  readonly code = "internal_error"
  override get message() {
    return "Something went wrong on the server. Its log has the reason under this requestId."
  }
}
