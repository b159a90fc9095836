/**
 * From an endpoint of the API to a route of the server.
 *
 * `HttpApiBuilder` would do much of this, but decides for itself what is looked at first, and reads
 * JSON more kindly than money allows. Here a request is looked at in the order that the API
 * promises: how much there is and of which type, whether it fits the schemas, its idempotency key,
 * who is calling; and then the handler.
 */
import {
  IdempotencyKey,
  RequestInvalid,
  toRequestInvalid,
  type UserId
} from "@boxoffice/core/schema"
import { ByteSize, Effect, Result, Schema, SchemaAST } from "effect"
import {
  HttpRouter,
  type HttpServerError,
  HttpServerRequest,
  HttpServerResponse
} from "effect/http"
import { type HttpApiEndpoint, HttpApiSchema } from "effect/http-api"
import {
  BodyTooLarge,
  IdempotencyKeyRequired,
  IdentityRequired,
  UnsupportedMediaType
} from "./api/errors.ts"
import { Admin, Identity } from "./api/identity.ts"
import { Exchange } from "./exchange.ts"
import { JsonInvalid, parseJson } from "./json.ts"

type Endpoint = HttpApiEndpoint.ConstraintRequest

/** What a handler is told, once all of it has been checked. */
type Call<E extends Endpoint> = Omit<
  HttpApiEndpoint.Request<E>,
  "request" | "endpoint" | "group" | "headers"
> & {
  /** The caller; the empty text where nobody has to say who they are. */
  readonly userId: UserId
  readonly queueToken: string | undefined
  readonly idempotencyKey: string | undefined
  /** For the engine to say that an answer is a recorded one. */
  readonly onReplay: () => void
  readonly headers: Readonly<Record<string, string | undefined>>
}

/** An answer that is not just a body with the endpoint's first status. */
export class Reply<A> {
  readonly body: A
  readonly options: {
    readonly status?: number
    readonly headers?: Readonly<Record<string, string>>
    /** The body is the very same object for many: it is written down once for all of them. */
    readonly shared?: boolean
  }
  constructor(body: A, options: Reply<A>["options"]) {
    this.body = body
    this.options = options
  }
}

type Answer<E extends Endpoint> =
  | HttpApiEndpoint.Success<E>["Type"]
  | Reply<HttpApiEndpoint.Success<E>["Type"]>
  | HttpServerResponse.HttpServerResponse

/** A handler can fail with what its endpoint declares and nothing else. */
export type Handler<E extends Endpoint, R> = (
  call: Call<E>
) => Effect.Effect<Answer<E>, HttpApiEndpoint.Errors<E>, R>

/** The most bytes of a body, where nothing else is said. */
const bodyLimit = 64 * 1024

/** The route that serves an endpoint. */
export const route = <E extends Endpoint, R = never>(
  endpoint: E,
  handler: Handler<E, R>,
  options: { readonly bodyLimit?: number } = {}
): HttpRouter.Route<unknown, R | Exchange> => {
  const top = endpoint as unknown as HttpApiEndpoint.Top
  const reading = readerOf(top, options.bodyLimit ?? bodyLimit)
  const answering = answererOf(top)
  const middlewares = top.middlewares as ReadonlySet<unknown>
  const forUsers = middlewares.has(Identity)
  const forAdmins = middlewares.has(Admin)
  const pattern = top.path.replaceAll(/:(\w+)/g, "{$1}")

  const run = Effect.fnUntraced(function* () {
    const exchange = yield* Exchange
    exchange.route = pattern
    const { identities } = exchange
    const request = yield* HttpServerRequest.HttpServerRequest
    const { headers } = request
    const isAdmin = forAdmins && identities.isAdmin(headers)
    const asked = yield* reading(request, forAdmins && !isAdmin)
    const userId = forUsers ? yield* identities.user(headers) : ("" as UserId)
    if (forAdmins && !isAdmin) return yield* adminRequired
    const answer = yield* handler({
      ...asked,
      userId,
      queueToken: headers["queue-token"],
      onReplay: () => {
        exchange.replayed = true
      },
      headers
    } as unknown as Call<E>)
    return HttpServerResponse.isHttpServerResponse(answer) ? answer : answering(answer)
  })
  return HttpRouter.route(top.method, top.path as `/${string}`, run())
}

const adminRequired = new IdentityRequired({
  hint: "Send the admin token as Authorization: Bearer."
})

const strict = { errors: "all", onExcessProperty: "error" } as const
type Decode = (input: unknown) => Result.Result<unknown, Schema.SchemaError>
const decoderOf = (schema: Schema.Top): Decode =>
  Schema.decodeUnknownResult(schema as Schema.Codec<unknown>, strict)

/** Reads all that an endpoint asks for, or fails with every problem that what came has. */
const readerOf = (endpoint: HttpApiEndpoint.Top, limit: number) => {
  const decodeQuery = endpoint.query && decoderOf(Schema.toCodecArrayFromSingle(endpoint.query))
  const payload = Array.from(endpoint.payload.values(), ({ schemas }) => schemas[0])[0]
  const decodePayload = payload && decoderOf(payload)
  const mayHaveBody = payload !== undefined || endpoint.method === "POST"
  const key = headerOf(endpoint, "Idempotency-Key")

  return Effect.fnUntraced(function* (
    request: HttpServerRequest.HttpServerRequest,
    isStranger: boolean
  ) {
    const { headers } = request
    const asked: Record<string, unknown> = {}
    const problems: Array<{ readonly path: string; readonly message: string }> = []
    const add = (decoded: Result.Result<unknown, Schema.SchemaError>, name: string) => {
      if (Result.isSuccess(decoded)) asked[name] = decoded.success
      else problems.push(...toRequestInvalid(decoded.failure).errors)
    }

    if (endpoint.params !== undefined) {
      asked.params = pathIds((yield* HttpRouter.RouteContext).params)
    }
    const search = yield* HttpServerRequest.ParsedSearchParams
    if (decodeQuery) add(decodeQuery(search), "query")
    else problems.push(...unknownFields(search))
    if (key !== "none") {
      const given = headers["idempotency-key"]
      if (given === undefined || isIdempotencyKey(given)) asked.idempotencyKey = given
      else problems.push({ path: "Idempotency-Key", message: keyMessage })
    }
    if (mayHaveBody) {
      const empty = hasNoBody(request)
      if (payload !== undefined || !empty) {
        const json = yield* readBody(request, empty, limit, isStranger)
        if (json instanceof JsonInvalid) problems.push({ path: json.path, message: json.message })
        else if (decodePayload) add(decodePayload(json), "payload")
        // Where nothing is asked for, an object with nothing in it does no harm.
        else problems.push(...unknownFields(json))
      }
    }

    if (problems.length > 0) return yield* new RequestInvalid({ errors: problems })
    if (key === "required" && asked.idempotencyKey === undefined) {
      return yield* new IdempotencyKeyRequired()
    }
    return asked
  })
}

const unknownFields = (value: unknown) =>
  typeof value === "object" && value !== null && !Array.isArray(value)
    ? Object.keys(value).map((path) => ({ path, message: "Expected no excess property" }))
    : [{ path: "", message: "expected no body" }]

const isIdempotencyKey = Schema.is(IdempotencyKey)
const keyMessage = "expected 1 to 255 visible ASCII characters"

/** Whether an endpoint takes a header. */
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

// Longer, or with anything else in it, it cannot be the id of anything; nor is it put to the store.
const possibleId = /^[A-Za-z0-9_.:-]{1,64}$/
const impossibleId = "?"

const pathIds = (params: Readonly<Record<string, string | undefined>>): Record<string, string> => {
  const ids: Record<string, string> = {}
  for (const name in params) {
    const id = params[name] ?? ""
    ids[name] = possibleId.test(id) ? id : impossibleId
  }
  return ids
}

const hasNoBody = ({ headers, source }: HttpServerRequest.HttpServerRequest): boolean =>
  source instanceof Request
    ? source.body === null
    : headers["transfer-encoding"] === undefined && Number(headers["content-length"] ?? 0) === 0

const json = /^application\/(?:json|[\w.+-]+\+json)\s*(?:;\s*charset="?utf-?8"?\s*)?$/i

/** The body as a value, or why it is none. */
const readBody = (
  request: HttpServerRequest.HttpServerRequest,
  empty: boolean,
  limit: number,
  isStranger: boolean
): Effect.Effect<unknown, BodyTooLarge | UnsupportedMediaType | IdentityRequired> => {
  const { headers } = request
  const type = headers["content-type"]
  const coding = headers["content-encoding"] ?? "identity"
  if (coding !== "identity" || (type === undefined ? !empty : !json.test(type))) {
    return Effect.fail(new UnsupportedMediaType())
  }
  // Nobody but an operator is read that much from.
  const readable = isStranger ? Math.min(limit, bodyLimit) : limit
  const tooLarge = Effect.fail(readable < limit ? adminRequired : new BodyTooLarge({ limit }))
  if (Number(headers["content-length"] ?? 0) > readable) return tooLarge
  if (empty) return Effect.succeed(new JsonInvalid("expected a body"))
  return request.arrayBuffer.pipe(
    Effect.provideService(HttpServerRequest.MaxBodySize, ByteSize.bytes(readable)),
    Effect.matchEffect({
      onFailure: (error) =>
        isTooLarge(error) ? tooLarge : Effect.succeed(new JsonInvalid("expected the whole body")),
      onSuccess: (bytes): Effect.Effect<unknown> => {
        try {
          return Effect.succeed(parseJson(bytes))
        } catch (error) {
          if (error instanceof JsonInvalid) return Effect.succeed(error)
          throw error
        }
      }
    })
  )
}

const isTooLarge = (error: HttpServerError.HttpServerError): boolean =>
  error.reason._tag === "RequestParseError" && error.reason.reason === "BodyTooLarge"

const utf8 = new TextEncoder()

/** Writes what a handler answered, by the schema that the endpoint has for its status. */
const answererOf = (endpoint: HttpApiEndpoint.Top) => {
  const encoders = new Map(
    Array.from(endpoint.success, (schema): [number, ((body: unknown) => unknown) | undefined] => [
      statusOf(schema),
      HttpApiSchema.isNoContent(schema.ast)
        ? undefined
        : Schema.encodeUnknownSync(schema as unknown as Schema.Codec<unknown>)
    ])
  )
  const [usual] = Array.from(endpoint.success, statusOf)
  const shared = new WeakMap<object, Uint8Array>()
  return (answer: unknown): HttpServerResponse.HttpServerResponse => {
    const { body, options } = answer instanceof Reply ? answer : { body: answer, options: {} }
    const { status = usual!, headers, ...rest } = options as Reply<unknown>["options"]
    if (!encoders.has(status)) throw new Error(`${endpoint.identifier} has no status ${status}`)
    const encode = encoders.get(status)
    const all = headers === undefined ? plain : { ...plain, ...headers }
    if (encode === undefined) return HttpServerResponse.empty({ status, headers: all })
    const write = () => JSON.stringify(encode(body))
    const how = { status, headers: all, contentType: "application/json" }
    if (!rest.shared) return HttpServerResponse.text(write(), how)
    const written = shared.get(body as object) ?? utf8.encode(write())
    shared.set(body as object, written)
    return HttpServerResponse.uint8Array(written, how)
  }
}

// Where it is kept depends on what the schema was annotated for.
const statusIn = SchemaAST.resolveAt<number>("httpApiStatus")
const statusOf = ({ ast }: Schema.Top): number =>
  statusIn(ast) ?? (ast.context?.annotations?.httpApiStatus as number | undefined) ?? 200

const plain = { "cache-control": "no-store" }
