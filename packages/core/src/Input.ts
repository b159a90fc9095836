/** How every entrance checks what it is given. */
import { Effect, Schema, SchemaIssue } from "effect"
import { RequestInvalid } from "./Errors.ts"

/** 1 to 255 visible ASCII characters. */
export const IdempotencyKey = Schema.String.check(Schema.isPattern(/^[\x21-\x7e]{1,255}$/))

/** A text that names something. What it cannot be the name of is simply not found. */
export const Name = Schema.String.check(Schema.isBetweenLength(1, 256))

/** Bounds of the pages of a list. */
export const PageLimit = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 200 }))
export const pageLimitDefault = 50

const formatter = SchemaIssue.makeFormatterStandardSchemaV1()

/** The problems of an input, each with the path to it, such as `seatIds.0`. */
export const toRequestInvalid = (error: Schema.SchemaError): RequestInvalid =>
  new RequestInvalid({
    errors: formatter(error.issue).issues.map(({ path, message }) => ({
      path: (path ?? [])
        .map((part) => String(typeof part === "object" ? part.key : part))
        .join("."),
      message
    }))
  })

/** Checks values that a caller of the engine passed, or fails with every problem they have. */
export const checkInput = <S extends Schema.Top>(schema: S) => {
  const decode = Schema.decodeUnknownEffect(Schema.toType(schema), { errors: "all" })
  return (input: unknown): Effect.Effect<S["Type"], RequestInvalid> =>
    Effect.mapError(decode(input), toRequestInvalid)
}
