/**
 * Errors as `application/problem+json` (RFC 9457). The table in this file alone defines how an
 * error looks over HTTP: the server encodes with it, OpenAPI documents it, and the typed client
 * decodes a response into the same tagged error.
 */
import {
  AlreadyExists,
  CurrencyMismatch,
  HoldExpired,
  IdempotencyConflict,
  InsufficientBalance,
  LimitExceeded,
  Overloaded,
  PaymentNotFound,
  PerformanceNotFound,
  PolicyFailed,
  PolicyName,
  QueueAlreadyOpen,
  QueueClosed,
  QueueCodeInvalid,
  QueueNotFound,
  QueueTokenExpired,
  QueueTokenInvalid,
  QueueTokenRequired,
  QueueTokenWaiting,
  QueueTokenWrongQueue,
  RefundRefused,
  RequestInvalid,
  ReservationNotFound,
  ReservationNotPayable,
  ReservationStatus,
  SeatNotFound,
  SeatUnavailable,
  ShowNotFound,
  StoreUnavailable
} from "@boxoffice/core/schema"
import { Schema, SchemaGetter } from "effect"
import { HttpApiSchema } from "effect/http-api"
import {
  BodyTooLarge,
  ChargeNotAllowed,
  Draining,
  IdempotencyKeyRequired,
  IdentityRequired,
  IdentityUnavailable,
  InternalError,
  MethodNotAllowed,
  RouteUnknown,
  UnsupportedMediaType
} from "./errors.ts"

/** The media type of every error. */
export const problemContentType = "application/problem+json"

interface CodedError {
  readonly _tag: string
  readonly code: string
  readonly message: string
}

type Fields = Readonly<Record<string, unknown>>

interface Shape<E extends CodedError> {
  readonly code: E["code"]
  readonly status: number
  /** The same for every occurrence of the error; its `detail` describes the single occurrence. */
  readonly title: string
  /** What the client can do about it, for the documentation. */
  readonly remedy: string
  /** The fields to show, if they differ from the error's own. */
  readonly fields?: {
    readonly schema: Schema.Struct.Fields
    readonly show: (error: E) => Fields
    readonly read: (shown: Fields) => Fields
  }
  /** When to try again, in seconds. */
  readonly retryAfter?: (error: E) => number
  readonly headers?: Readonly<Record<string, string>>
}

/** One row of the table. */
export interface Problem<E extends CodedError = CodedError> extends Shape<E> {
  /** Decodes the wire form into the error, and encodes it. */
  readonly schema: Schema.Codec<E, Fields>
  /** The fields in addition to those that every problem has, as JSON. */
  readonly encodeFields: (error: E) => Fields
}

const problem = <E extends CodedError>(
  Class: Schema.Codec<E, unknown> & {
    readonly fields: Schema.Struct.Fields
    readonly identifier: string
  },
  shape: Shape<E>
): Problem<E> => {
  const { _tag, ...own } = Class.fields
  const { schema, show, read } = shape.fields ?? {
    schema: own,
    show: (error: E): Fields => pick(error as Fields, Object.keys(own)),
    read: (shown: Fields): Fields => pick(shown, Object.keys(own))
  }
  const make = Class as unknown as new (fields: Fields) => E
  const wire = Schema.Struct({
    type: Schema.String,
    title: Schema.String,
    status: Schema.Literal(shape.status),
    detail: Schema.String,
    code: Schema.Literal(shape.code as string),
    requestId: Schema.String,
    ...schema
  }).annotate({
    identifier: `${Class.identifier}Problem`,
    title: shape.title,
    description: shape.remedy
  })
  const encode = Schema.encodeUnknownSync(
    Schema.Struct(schema) as unknown as Schema.Codec<Fields, Fields>
  )
  return {
    ...shape,
    encodeFields: (error) => encode(show(error)),
    schema: wire.pipe(
      Schema.decodeTo(Schema.toType(Class) as Schema.Codec<E>, {
        decode: SchemaGetter.transform((given: Fields) => new make(read(given))),
        encode: SchemaGetter.transform(
          (error: E) =>
            ({
              type: "about:blank",
              title: shape.title,
              status: shape.status,
              detail: error.message,
              code: shape.code,
              requestId: "",
              ...show(error)
            }) as never
        )
      }),
      HttpApiSchema.status(shape.status),
      HttpApiSchema.asJson({ contentType: problemContentType })
    ) as unknown as Schema.Codec<E, Fields>
  }
}

/** Omits fields that are undefined. */
const pick = (from: Fields, names: ReadonlyArray<string>): Fields =>
  Object.fromEntries(
    names.flatMap((name) => (from[name] === undefined ? [] : [[name, from[name]]]))
  )

const nothing = { schema: {}, show: () => ({}), read: () => ({}) }

/** All errors, in the order in which the server checks for them. */
export const problems = {
  RouteUnknown: problem(RouteUnknown, {
    code: "not_found",
    status: 404,
    title: "Not found",
    remedy: "Compare the path with the reference."
  }),
  MethodNotAllowed: problem(MethodNotAllowed, {
    code: "method_not_allowed",
    status: 405,
    title: "Method not allowed",
    remedy: "Use a method that the Allow header lists."
  }),
  RequestInvalid: problem(RequestInvalid, {
    code: "request_invalid",
    status: 400,
    title: "Request invalid",
    remedy: "Repair what `errors` lists; `path` says where each problem is."
  }),
  IdempotencyKeyRequired: problem(IdempotencyKeyRequired, {
    code: "idempotency_key_required",
    status: 400,
    title: "Idempotency key required",
    remedy: "Send an Idempotency-Key header, and the same one with every retry."
  }),
  IdentityRequired: problem(IdentityRequired, {
    code: "identity_required",
    status: 401,
    title: "Identity required",
    remedy: "Say who is calling, as `detail` asks.",
    fields: {
      schema: {},
      show: () => ({}),
      read: () => ({ hint: "The identity is missing, malformed or expired." })
    },
    headers: { "www-authenticate": "Bearer" }
  }),
  IdentityUnavailable: problem(IdentityUnavailable, {
    code: "identity_unavailable",
    status: 503,
    title: "Identity unavailable",
    remedy:
      "Nothing was done. Try again after Retry-After with the same identity: there is no need to sign in again.",
    retryAfter: (error) => error.retryAfterSeconds
  }),
  BodyTooLarge: problem(BodyTooLarge, {
    code: "body_too_large",
    status: 413,
    title: "Body too large",
    remedy: "Send less at a time."
  }),
  UnsupportedMediaType: problem(UnsupportedMediaType, {
    code: "unsupported_media_type",
    status: 415,
    title: "Unsupported media type",
    remedy: "Send the body as JSON, with Content-Type: application/json."
  }),
  ChargeNotAllowed: problem(ChargeNotAllowed, {
    code: "charge_not_allowed",
    status: 403,
    title: "Charge not allowed",
    remedy: "Pay where the seller takes payments: its own service charges the wallet.",
    fields: {
      schema: {},
      show: () => ({}),
      read: () => ({ hint: "Only the operator's own services may charge a wallet here." })
    }
  }),
  QueueTokenRequired: problem(QueueTokenRequired, {
    code: "queue_token_required",
    status: 401,
    title: "Queue token required",
    remedy: "Join the queue, and send the token that it gives as the Queue-Token header.",
    headers: { "www-authenticate": "Queue-Token" }
  }),
  QueueTokenInvalid: problem(QueueTokenInvalid, {
    code: "queue_token_invalid",
    status: 401,
    title: "Queue token invalid",
    remedy: "Join the queue as this user, and send the token that it gives.",
    headers: { "www-authenticate": "Queue-Token" }
  }),
  IdempotencyConflict: problem(IdempotencyConflict, {
    code: "idempotency_key_reused",
    status: 422,
    title: "Idempotency key reused",
    remedy: "Use a new key for a new request."
  }),
  QueueTokenWrongQueue: problem(QueueTokenWrongQueue, {
    code: "queue_token_wrong_queue",
    status: 403,
    title: "Token of another queue",
    remedy: "Join the queue that `requiredQueueId` names."
  }),
  QueueTokenWaiting: problem(QueueTokenWaiting, {
    code: "queue_token_waiting",
    status: 403,
    title: "Not admitted yet",
    remedy: "Poll the token, at the pace of Retry-After, and try again once it is admitted.",
    retryAfter: (error) => error.pollAfterSeconds
  }),
  QueueTokenExpired: problem(QueueTokenExpired, {
    code: "queue_token_expired",
    status: 403,
    title: "Queue token has ended",
    remedy: "Join the queue again."
  }),
  QueueNotFound: problem(QueueNotFound, {
    code: "queue_not_found",
    status: 404,
    title: "Queue not found",
    remedy: "GET /v1/shows/{showId} names the queue in front of a show."
  }),
  QueueClosed: problem(QueueClosed, {
    code: "queue_closed",
    status: 409,
    title: "Queue closed",
    remedy: "The queue accepts no new users at the moment."
  }),
  QueueCodeInvalid: problem(QueueCodeInvalid, {
    code: "queue_code_invalid",
    status: 403,
    title: "Queue code invalid",
    remedy: "Join without the code, or with another one."
  }),
  ShowNotFound: problem(ShowNotFound, {
    code: "show_not_found",
    status: 404,
    title: "Show not found",
    remedy: "GET /v1/shows lists the shows."
  }),
  PerformanceNotFound: problem(PerformanceNotFound, {
    code: "performance_not_found",
    status: 404,
    title: "Performance not found",
    remedy: "GET /v1/shows/{showId}/dates lists the performances."
  }),
  SeatNotFound: problem(SeatNotFound, {
    code: "seat_not_found",
    status: 404,
    title: "Seat not found",
    remedy: "GET /v1/performances/{performanceId}/seats lists the seats."
  }),
  ReservationNotFound: problem(ReservationNotFound, {
    code: "reservation_not_found",
    status: 404,
    title: "Reservation not found",
    remedy: "GET /v1/reservations lists the user's own reservations; there are no others."
  }),
  PaymentNotFound: problem(PaymentNotFound, {
    code: "payment_not_found",
    status: 404,
    title: "Payment not found",
    remedy: "Use the paymentId that the payment answered."
  }),
  SeatUnavailable: problem(SeatUnavailable, {
    code: "seat_unavailable",
    status: 409,
    title: "Seat unavailable",
    remedy: "Nothing was held. Choose seats other than those that `conflicts` lists."
  }),
  ReservationNotPayable: problem(ReservationNotPayable, {
    code: "reservation_not_payable",
    status: 409,
    title: "Reservation not payable",
    remedy: "It was paid, released or cancelled before, as `reservationStatus` says.",
    // `status` is the HTTP status in every problem (RFC 9457).
    fields: {
      schema: { reservationStatus: ReservationStatus },
      show: ({ status }) => ({ reservationStatus: status }),
      read: ({ reservationStatus }) => ({ status: reservationStatus })
    }
  }),
  RefundRefused: problem(RefundRefused, {
    code: "refund_refused",
    status: 409,
    title: "Refund refused",
    remedy: "Nothing was done. `reason` is the host's own, and is for people."
  }),
  QueueAlreadyOpen: problem(QueueAlreadyOpen, {
    code: "queue_already_open",
    status: 409,
    title: "Queue already open",
    remedy: "Pause the queue, if people are to wait."
  }),
  AlreadyExists: problem(AlreadyExists, {
    code: "already_exists",
    status: 409,
    title: "Already exists",
    remedy: "Choose another id."
  }),
  HoldExpired: problem(HoldExpired, {
    code: "hold_expired",
    status: 410,
    title: "Hold expired",
    remedy: "Hold the seats again, if they are still free."
  }),
  LimitExceeded: problem(LimitExceeded, {
    code: "limit_exceeded",
    status: 422,
    title: "Limit exceeded",
    remedy: "Stay within `limit`."
  }),
  CurrencyMismatch: problem(CurrencyMismatch, {
    code: "currency_mismatch",
    status: 422,
    title: "Currency mismatch",
    remedy: "Use the currency that `expected` names."
  }),
  InsufficientBalance: problem(InsufficientBalance, {
    code: "insufficient_balance",
    status: 402,
    title: "Insufficient balance",
    remedy: "Charge the wallet with at least the difference, then pay again with a new key."
  }),
  Overloaded: problem(Overloaded, {
    code: "overloaded",
    status: 429,
    title: "Overloaded",
    remedy: "Nothing was done. Try again after Retry-After.",
    retryAfter: (error) => error.retryAfterSeconds
  }),
  StoreUnavailable: problem(StoreUnavailable, {
    code: "store_unavailable",
    status: 503,
    title: "Store unavailable",
    remedy: "Try again after Retry-After, with the same Idempotency-Key if there was one.",
    fields: {
      ...nothing,
      read: () => ({ retryable: true, cause: "see the server's log" })
    },
    retryAfter: () => 1
  }),
  Draining: problem(Draining, {
    code: "draining",
    status: 503,
    title: "Shutting down",
    remedy: "Another node answers.",
    retryAfter: () => 1
  }),
  PolicyFailed: problem(PolicyFailed, {
    code: "policy_failed",
    status: 500,
    title: "Policy failed",
    remedy: "Nothing was done. Tell the operator the requestId.",
    // The log has what the policy returned or threw; a client must not see it.
    fields: {
      schema: { policy: PolicyName },
      show: ({ policy }) => ({ policy }),
      read: ({ policy }) => ({ policy, reason: "failed", cause: "see the server's log" })
    }
  }),
  InternalError: problem(InternalError, {
    code: "internal_error",
    status: 500,
    title: "Internal error",
    remedy: "Tell the operator the requestId."
  })
}

/** The tag of an error in the table. */
export type ProblemTag = keyof typeof problems

/** The schemas of these rows of the table, as an endpoint declares its errors. */
export const errors = <const Tags extends ReadonlyArray<ProblemTag>>(...tags: Tags) =>
  tags.map((tag) => problems[tag].schema) as unknown as ReadonlyArray<
    (typeof problems)[Tags[number]]["schema"]
  >

/** An error in the table. */
export type KnownError = (typeof problems)[ProblemTag]["schema"]["Type"]

/** Whether the table has a row for this error. */
export const isKnownError = (error: unknown): error is KnownError =>
  typeof error === "object" &&
  error !== null &&
  "_tag" in error &&
  Object.hasOwn(problems, error._tag as string)

/** The HTTP response for an error. */
export const toProblem = (
  error: KnownError,
  context: { readonly requestId: string; readonly documentation: string }
): {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Fields
} => {
  const row = problems[error._tag] as unknown as Problem
  const headers: Record<string, string> = { ...row.headers }
  if (row.retryAfter) headers["retry-after"] = String(Math.max(1, row.retryAfter(error)))
  if (error._tag === "MethodNotAllowed") headers.allow = error.allow.join(", ")
  return {
    status: row.status,
    headers,
    body: {
      type: context.documentation + row.code,
      title: row.title,
      status: row.status,
      // The message of the store or a policy is for the log; a client must not see it.
      detail:
        error._tag === "StoreUnavailable" || error._tag === "PolicyFailed"
          ? row.remedy
          : error.message,
      code: row.code,
      requestId: context.requestId,
      ...row.encodeFields(error)
    }
  }
}
