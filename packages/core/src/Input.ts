/** How every entrance checks what it is given. */
import { Effect, Schema, SchemaIssue } from "effect"
import { RequestInvalid } from "./Errors.ts"

/** 1 to 255 visible ASCII characters. */
export const IdempotencyKey = Schema.String.check(
  Schema.isPattern(/^[\x21-\x7e]{1,255}$/, {
    expected: "1 to 255 visible ASCII characters"
  })
)

/** A text that names something. What it cannot be the name of is simply not found. */
export const Name = Schema.String.check(Schema.isBetweenLength(1, 256))

/** Bounds of the pages of a list. */
export const PageLimit = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 200 }))
export const pageLimitDefault = 50

const formatter = SchemaIssue.makeFormatterStandardSchemaV1()

/** The problems of an input, each with the path to it, such as `seatIds.0`. */
export const toRequestInvalid = (error: Schema.SchemaError): RequestInvalid =>
  new RequestInvalid({
    errors: someProblems(
      formatter(error.issue).issues.map(({ path, message }) => ({
        path: (path ?? [])
          .map((part) => String(typeof part === "object" ? part.key : part))
          .join("."),
        message
      }))
    )
  })

interface Problem {
  readonly path: string
  readonly message: string
}

/** The most problems that a refusal lists: it must not be larger than what it refuses. */
const problemsMax = 20

/** The first problems, and how many more there are. */
export const someProblems = (problems: ReadonlyArray<Problem>): ReadonlyArray<Problem> => {
  const more = problems.length - problemsMax
  if (more <= 0) return problems
  const rest = { path: "", message: `and ${more} more problem${more === 1 ? "" : "s"}` }
  return [...problems.slice(0, problemsMax), rest]
}

/** More parts than any usual input has: all that is wrong with so many is worth nobody's time. */
const partsMax = 1_000

/** Whether an input has few enough parts to look at all of them, though the first one is wrong. */
export const isSmall = (input: unknown): boolean => {
  const left = [input]
  for (let parts = 0; left.length > 0; parts++) {
    const value = left.pop()
    if (parts > partsMax) return false
    if (typeof value !== "object" || value === null) continue
    const inner = Array.isArray(value) ? value : Object.values(value)
    if (inner.length > partsMax) return false
    left.push(...inner)
  }
  return true
}

/**
 * Checks values that a caller of the engine passed, or fails with the problems they have: with the
 * first one alone where there is a lot to look at.
 */
export const checkInput = <S extends Schema.Top>(schema: S) => {
  const decode = Schema.decodeUnknownEffect(Schema.toType(schema), { errors: "first" })
  const decodeAll = Schema.decodeUnknownEffect(Schema.toType(schema), { errors: "all" })
  return (input: unknown): Effect.Effect<S["Type"], RequestInvalid> =>
    Effect.catch(decode(input), (first) =>
      isSmall(input)
        ? Effect.mapError(decodeAll(input), toRequestInvalid)
        : Effect.fail(toRequestInvalid(first))
    )
}
