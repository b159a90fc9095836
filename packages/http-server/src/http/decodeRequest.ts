/** Decodes the inputs of an endpoint from a request, or lists everything that is wrong with it. */
import {
  IdempotencyKey,
  isCatalogKey,
  isSmall,
  lengthsOf,
  RequestInvalid,
  someProblems,
  toRequestInvalid,
  unknownField
} from "@boxoffice/core/schema"
import { Effect, Result, Schema, SchemaAST } from "effect"
import type { HttpApiEndpoint } from "effect/http-api"
import { BodyTooLarge, IdempotencyKeyRequired, UnsupportedMediaType } from "../api/errors.ts"
import type { RouteRequest } from "./message.ts"
import { JsonInvalid, parseJson } from "./strictJson.ts"

/** The maximum size of a body in bytes, unless the route sets its own. */
export const bodyLimit = 64 * 1024

type Decode = (input: unknown) => Result.Result<unknown, Schema.SchemaError>

/**
 * Reports every problem of a small input, but only the first one of a large input, to bound the
 * work.
 */
const decoderOf = (schema: Schema.Top): Decode => {
  const decoder = (errors: "first" | "all") =>
    Schema.decodeUnknownResult(schema as Schema.Codec<unknown>, {
      errors,
      // Guard excess-property: without it, requests.test "another field" fails.
      onExcessProperty: "error"
    })
  const [first, all] = [decoder("first"), decoder("all")]
  const tooLong = lengthsOf(schema)
  return (input) => {
    const decoded = tooLong(input) ?? first(input)
    return Result.isFailure(decoded) && isSmall(input) ? all(input) : decoded
  }
}

/** The inputs of an endpoint. */
interface DecodedRequest {
  readonly inputs: Readonly<Record<string, unknown>>
  /**
   * Why the body was not read. Reported only after the identity is checked: that error goes first.
   */
  readonly bodyProblem: BodyTooLarge | UnsupportedMediaType | undefined
}

/** Decodes all inputs of an endpoint, or fails with every problem of the request. */
export const requestDecoder = (endpoint: HttpApiEndpoint.Top, limit: number) => {
  const decodeQuery = endpoint.query && decoderOf(Schema.toCodecArrayFromSingle(endpoint.query))
  const payload = Array.from(endpoint.payload.values(), ({ schemas }) => schemas[0])[0]
  const decodePayload = payload && decoderOf(payload)
  const mayHaveBody = payload !== undefined || endpoint.method === "POST"
  const key = headerOf(endpoint, "Idempotency-Key")

  return Effect.fnUntracedEager(function* (given: RouteRequest, isNotAdmin: boolean) {
    const request = mayHaveBody && mustDetectBody(given) ? yield* detectBody(given) : given
    const inputs: Record<string, unknown> = {}
    let bodyProblem: DecodedRequest["bodyProblem"]
    const problems: Array<{ readonly path: string; readonly message: string }> = []
    const add = (decoded: Result.Result<unknown, Schema.SchemaError>, name: string) => {
      if (Result.isSuccess(decoded)) inputs[name] = decoded.success
      else problems.push(...toRequestInvalid(decoded.failure).errors)
    }

    if (endpoint.params !== undefined) inputs.params = pathIds(request.params)
    const search = fieldsOf(request.search)
    if (decodeQuery) add(decodeQuery(search), "query")
    else problems.push(...unknownFields(search))
    // The decoder reads numbers as JavaScript does, which also knows 1e1 and 0x10.
    if (problems.length === 0 && "limit" in search && !isWhole.test(String(search.limit))) {
      problems.push({ path: "limit", message: "expected a whole number, in digits" })
    }
    if (key !== "none") {
      const given = request.headers["idempotency-key"]
      // Guard key-form: with "true" for "isIdempotencyKey(given)", errors.test "a malformed key" fails.
      if (given === undefined || isIdempotencyKey(given)) inputs.idempotencyKey = given
      else problems.push({ path: "Idempotency-Key", message: keyMessage })
    }
    if (mayHaveBody && (payload !== undefined || request.hasBody)) {
      const json = yield* readBody(request, limit, isNotAdmin)
      if (json instanceof BodyTooLarge || json instanceof UnsupportedMediaType) bodyProblem = json
      else if (json instanceof JsonInvalid) {
        const isMissed = json !== noBody || payload !== undefined
        if (isMissed) problems.push({ path: json.path, message: json.message })
      } else if (decodePayload) add(decodePayload(json), "payload")
      // An endpoint without a payload accepts an empty object.
      else problems.push(...unknownFields(json))
    }

    if (problems.length > 0) {
      return yield* new RequestInvalid({ errors: someProblems(problems) })
    }
    // Guard key-required: without it, errors.test "a missing key before" fails.
    if (key === "required" && inputs.idempotencyKey === undefined) {
      return yield* new IdempotencyKeyRequired()
    }
    return { inputs, bodyProblem } satisfies DecodedRequest
  })
}

const isWhole = /^\d+$/

/** The fields of a query; a repeated field has a list of its values. */
const fieldsOf = (search: string): Record<string, string | Array<string>> => {
  if (search === "") return {}
  const fields = new Map<string, string | Array<string>>()
  for (const [name, value] of new URLSearchParams(search)) {
    const before = fields.get(name)
    if (before === undefined) fields.set(name, value)
    else if (typeof before === "string") fields.set(name, [before, value])
    else before.push(value)
  }
  return Object.fromEntries(fields)
}

const unknownFields = (value: unknown) =>
  typeof value === "object" && value !== null && !Array.isArray(value)
    ? Object.keys(value).map((path) => ({ path, message: unknownField }))
    : [{ path: "", message: "expected no body" }]

const isIdempotencyKey = Schema.is(IdempotencyKey)
const keyMessage = "expected 1 to 255 visible ASCII characters"

/** Whether an endpoint accepts or requires a header. */
const headerOf = (
  endpoint: HttpApiEndpoint.Top,
  name: string
): "none" | "optional" | "required" => {
  const ast = endpoint.headers && SchemaAST.toEncoded(endpoint.headers.ast)
  if (ast?._tag !== "Objects") return "none"
  const found = ast.propertySignatures.find((property) => property.name === name)
  if (found === undefined) return "none"
  return SchemaAST.isOptional(found.type) ? "optional" : "required"
}

// Replaces a text that cannot be an id, so that the store never sees it and the lookup finds
// nothing.
const impossibleId = "?"

const pathIds = (params: RouteRequest["params"]): Record<string, string> => {
  const ids: Record<string, string> = {}
  for (const name in params) {
    const id = params[name] ?? ""
    // Guard path-id: with "true" for "isCatalogKey(id)", errors.test "what is not there" fails.
    ids[name] = isCatalogKey(id) ? id : impossibleId
  }
  return ids
}

const json = /^application\/(?:json|[\w.+-]+\+json)\s*(?:;\s*charset="?utf-?8"?\s*)?$/i

/** Whether the server cannot read a body with these headers. */
const isUnsupported = (headers: RouteRequest["headers"], hasBody: boolean): boolean => {
  const type = headers["content-type"]
  const coding = headers["content-encoding"] ?? "identity"
  return coding !== "identity" || (type === undefined ? hasBody : !json.test(type))
}

/** Whether it is unknown if the request has a body, and the server is not going to read it. */
const mustDetectBody = ({ hasBody, headers }: RouteRequest): boolean =>
  hasBody === "unknown" && isUnsupported(headers, true)

/** Finds out whether the request has a body, by reading its first byte. */
const detectBody = (request: RouteRequest): Effect.Effect<RouteRequest> =>
  Effect.match(request.body(1), {
    onFailure: () => ({ ...request, hasBody: true }),
    onSuccess: ({ length }) => ({ ...request, hasBody: length > 0 })
  })

const noBody = new JsonInvalid("expected a body")

/** The body as a JSON value; or why it is invalid, or was not read. */
const readBody = (
  { headers, hasBody, body }: RouteRequest,
  limit: number,
  isNotAdmin: boolean
): Effect.Effect<unknown> => {
  // Guard body-type: without it, requests.test "a compressed body" fails.
  if (isUnsupported(headers, hasBody !== false)) return Effect.succeed(new UnsupportedMediaType())
  // Only operators may send bodies above the usual limit.
  const readable = isNotAdmin ? Math.min(limit, bodyLimit) : limit
  const tooLarge = new BodyTooLarge({ limit })
  if (Number(headers["content-length"] ?? 0) > readable) return Effect.succeed(tooLarge)
  if (!hasBody) return Effect.succeed(noBody)
  return Effect.match(body(readable), {
    onFailure: (fault) =>
      fault === "too large" ? tooLarge : new JsonInvalid("expected the whole body"),
    onSuccess: (bytes): unknown => {
      if (bytes.length === 0) return noBody
      try {
        return parseJson(bytes)
      } catch (error) {
        if (error instanceof JsonInvalid) return error
        throw error
      }
    }
  })
}
