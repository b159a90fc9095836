/** What several endpoints share. */
import { IdempotencyKey, Name, PageLimit } from "@boxoffice/core/schema"
import { Schema } from "effect"
import { HttpApiSchema } from "effect/http-api"
import { errors } from "./problem.ts"

/**
 * An id in a path. Any text: what cannot be an id is the id of nothing, which is not found rather
 * than malformed.
 */
export const PathId = Schema.String

export { Name }

/** The queue token, on the six gated operations. */
export const queueToken = {
  "Queue-Token": Schema.String.annotate({
    description: "The token that joining the queue gave"
  })
}

/** Where the operator's own services call as well, which are in no queue. */
export const tokenOfCharge = {
  "Queue-Token": Schema.optionalKey(
    Schema.String.annotate({
      description: "The token that joining the queue gave; the operator's services need none"
    })
  ),
  "Service-Token": Schema.optionalKey(
    Schema.String.annotate({ description: "What the operator's own payment service sends" })
  )
}

const key = IdempotencyKey.annotate({
  description:
    "1 to 255 visible ASCII characters. The same key gives the same answer, and one effect."
})

/** Accepted on every POST that changes something. */
export const idempotencyKey = { "Idempotency-Key": Schema.optionalKey(key) }

/** Where money moves. */
export const requiredIdempotencyKey = { "Idempotency-Key": key }

/** Which part of a list is wanted. */
export const page = {
  limit: Schema.optionalKey(PageLimit).annotate({ description: "1 to 200; 50 where left out" }),
  cursor: Schema.optionalKey(
    Schema.String.check(Schema.isBetweenLength(1, 512)).annotate({
      description: "The nextCursor of the page before"
    })
  )
}

/** A part of a list. */
export const pageOf = <S extends Schema.Top>(item: S) =>
  Schema.Struct({
    items: Schema.Array(item),
    /** Where the next page begins; `null` on the last. */
    nextCursor: Schema.NullOr(Schema.String)
  })

/** What any endpoint can fail with. */
export const faults = errors("RequestInvalid", "StoreUnavailable", "InternalError")

/** What any endpoint with a body can fail with. */
export const bodyFaults = errors("BodyTooLarge", "UnsupportedMediaType")

/** What a gated operation can refuse. */
export const gate = errors(
  "QueueTokenRequired",
  "QueueTokenInvalid",
  "QueueTokenWrongQueue",
  "QueueTokenWaiting",
  "QueueTokenExpired",
  "PolicyFailed",
  "Overloaded"
)

/** What an operation with an idempotency key can refuse. */
export const idempotency = errors("IdempotencyConflict")

export const created = HttpApiSchema.status(201)
