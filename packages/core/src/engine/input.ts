/** How every entry point checks its input. */
import { Effect, Result, Schema, type SchemaAST, SchemaIssue } from "effect"
import { RequestInvalid } from "../Errors.ts"
import { UserId } from "../Ids.ts"

/** 1 to 255 visible ASCII characters. */
export const IdempotencyKey = Schema.String.check(
  Schema.isPattern(/^[\x21-\x7e]{1,255}$/, {
    expected: "1 to 255 visible ASCII characters"
  })
)

/** A text that names something. The schema lets a name pass that no row can have: the operation then finds none. */
export const Name = Schema.String.check(Schema.isBetweenLength(1, 256))

/** The fields of a `Caller`, for the schema of an input. */
export const callerFields = { userId: UserId, queueToken: Schema.optional(Schema.String) }

/** Bounds of the pages of a list. */
export const PageLimit = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 200 }))
export const pageLimitDefault = 50

export const unknownField = "unknown field"

// The library speaks of keys and properties; a client that reads a refusal has written fields.
const formatter = SchemaIssue.makeFormatterStandardSchemaV1({
  leafHook: (issue) => {
    if (issue._tag === "MissingKey") return "required"
    return issue._tag === "UnexpectedKey" ? unknownField : SchemaIssue.defaultLeafHook(issue)
  }
})

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

/** The most problems that a refusal lists, so that it stays smaller than what it refuses. */
const problemsMax = 20

/** The most characters of a path: the client chooses the names in it. */
const pathMax = 100

/** The first problems, and how many more there are. */
export const someProblems = (problems: ReadonlyArray<Problem>): ReadonlyArray<Problem> => {
  // Guard problems-listed: without ".slice(0, problemsMax)", input.test "long in one piece" fails.
  const first = problems.slice(0, problemsMax).map(withShortPath)
  const more = problems.length - first.length
  if (more === 0) return first
  return [...first, { path: "", message: `and ${more} more problem${more === 1 ? "" : "s"}` }]
}

// The cut drops a character rather than split it.
const withShortPath = ({ path, message }: Problem): Problem =>
  // Guard problem-path: with "true" for "path.length <= pathMax", input.test "the beginning of a path" fails.
  path.length <= pathMax
    ? { path, message }
    : { path: `${path.slice(0, pathMax).replace(/[\ud800-\udbff]$/, "")}…`, message }

/** More parts than a usual input has. Of a larger one the engine reports the first problem alone. */
const partsMax = 1_000

/** Whether an input has few enough parts to check all of them after the first one was wrong. */
export const isSmall = (input: unknown): boolean => {
  const left = [input]
  for (let parts = 0; left.length > 0; parts++) {
    const value = left.pop()
    // Guard input-parts: without it, input.test "up to a thousand parts" fails.
    if (parts > partsMax) return false
    if (typeof value !== "object" || value === null) continue
    const inner = Array.isArray(value) ? value : Object.values(value)
    // Guard input-inner: without it, input.test "up to a thousand parts" fails.
    if (inner.length > partsMax) return false
    left.push(...inner)
  }
  return true
}

/**
 * Checks the lengths of lists in a large input before their elements, so that a list that is too
 * long costs nothing more.
 */
export const lengthsOf = (schema: Schema.Top) => {
  const { ast } = schema
  const lists = ast._tag !== "Objects" ? [] : ast.propertySignatures.flatMap(lengthOf)
  return (input: unknown): Result.Result<unknown, Schema.SchemaError> | undefined => {
    if (lists.length === 0 || isSmall(input)) return undefined
    for (const { name, check } of lists) {
      const list = (input as Readonly<Record<PropertyKey, unknown>>)[name]
      const checked = Array.isArray(list) ? check({ [name]: list }) : undefined
      if (checked !== undefined && Result.isFailure(checked)) return checked
    }
    return undefined
  }
}

const lengthOf = ({ name, type }: SchemaAST.PropertySignature) => {
  if (type._tag !== "Arrays" || type.encoding !== undefined) return []
  const checks = (type.checks ?? []).filter(
    (check) =>
      check._tag === "Filter" && isOfLength.test(check.annotations?.representation?.id ?? "")
  )
  const [first, ...rest] = checks
  if (first === undefined) return []
  const schema = Schema.Struct({ [name as string]: Schema.Unknown.check(first, ...rest) })
  return [{ name, check: Schema.decodeUnknownResult(schema) }]
}
const isOfLength = /^effect\/schema\/is\w*Length\w*$/

/**
 * Checks values that a caller of the engine passed, or fails with their problems: with the first one
 * alone if the input is large.
 */
export const checkInput = <S extends Schema.Top>(schema: S) => {
  const decode = Schema.decodeUnknownEffect(Schema.toType(schema), { errors: "first" })
  const decodeAll = Schema.decodeUnknownEffect(Schema.toType(schema), { errors: "all" })
  const tooLong = lengthsOf(Schema.toType(schema))
  return (input: unknown): Effect.Effect<S["Type"], RequestInvalid> => {
    const long = tooLong(input)
    if (long !== undefined)
      return Effect.fromResult(Result.mapError(long, toRequestInvalid)) as never
    return Effect.catch(decode(input), (first) =>
      isSmall(input)
        ? Effect.mapError(decodeAll(input), toRequestInvalid)
        : Effect.fail(toRequestInvalid(first))
    )
  }
}

/** Checks the idempotency key of a command that checks the rest of its input by itself. */
export const checkKey = checkInput(
  Schema.Struct({ idempotencyKey: Schema.optional(IdempotencyKey) })
)
