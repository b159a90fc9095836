/** Parameters and error lists that several endpoints share. */
import { IdempotencyKey, Name, PageLimit } from "@boxoffice/core/schema"
import { Schema } from "effect"
import { HttpApiSchema } from "effect/http-api"
import { errors } from "./problem.ts"

/**
 * An id in a path. Any text is accepted: a text that cannot be an id gets 404, like an id that does
 * not exist, rather than 400.
 */
export const PathId = Schema.String

export { Name }

/** The queue token, on the six gated operations. */
export const queueToken = {
  "Queue-Token": Schema.String.annotate({
    description: "The token that joining the queue returned"
  })
}

/**
 * For charges: the operator's own services also call this endpoint, and they have no queue token.
 */
export const tokenOfCharge = {
  "Queue-Token": Schema.optionalKey(
    Schema.String.annotate({
      description:
        "The token that joining the queue returned; the operator's own services need none"
    })
  ),
  "Service-Token": Schema.optionalKey(
    Schema.String.annotate({ description: "The token of the operator's own payment service" })
  )
}

const key = IdempotencyKey.annotate({
  description:
    "1 to 255 visible ASCII characters. Requests with the same key have one effect and get the same response."
})

/** Accepted on every POST that changes something. */
export const idempotencyKey = { "Idempotency-Key": Schema.optionalKey(key) }

/** Required where money moves. */
export const requiredIdempotencyKey = { "Idempotency-Key": key }

/** Which page of a list the client wants. */
export const page = {
  limit: Schema.optionalKey(PageLimit).annotate({ description: "1 to 200; default 50" }),
  cursor: Schema.optionalKey(
    Schema.String.check(Schema.isBetweenLength(1, 512)).annotate({
      description: "The nextCursor of the previous page"
    })
  )
}

/** One page of a list. */
export const pageOf = <S extends Schema.Top>(item: S) =>
  Schema.Struct({
    items: Schema.Array(item),
    /** The cursor of the next page; `null` on the last page. */
    nextCursor: Schema.NullOr(Schema.String)
  })

/** Errors of every endpoint. */
export const faults = errors("RequestInvalid", "StoreUnavailable", "InternalError")

/** Errors of every endpoint with a body. */
export const bodyFaults = errors("BodyTooLarge", "UnsupportedMediaType")

/** Errors of a gated operation. */
export const gate = errors(
  "QueueTokenRequired",
  "QueueTokenInvalid",
  "QueueTokenWrongQueue",
  "QueueTokenWaiting",
  "QueueTokenExpired",
  "PolicyFailed",
  "Overloaded"
)

/** Errors of an operation with an idempotency key. */
export const idempotency = errors("IdempotencyConflict")

export const created = HttpApiSchema.status(201)
