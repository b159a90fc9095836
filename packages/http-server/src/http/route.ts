/**
 * Makes the route of an endpoint.
 *
 * `HttpApiBuilder` is not used, because it fixes its own order of checks and parses JSON more
 * leniently than money allows. A route checks a request in the order of the API's contract:
 *
 * 1. the request against the schemas
 * 2. the idempotency key
 * 3. the identity of the caller
 * 4. the size and the type of the body
 * 5. the handler
 */
import type { UserId } from "@boxoffice/core/schema"
import { Effect } from "effect"
import { HttpServerResponse } from "effect/http"
import type { HttpApiEndpoint } from "effect/http-api"
import { IdentityRequired } from "../api/errors.ts"
import { Admin, Identity } from "../api/identity.ts"
import { bodyLimit, requestDecoder } from "./decodeRequest.ts"
import { type Reply, responseEncoder } from "./encodeResponse.ts"
import { type RequestHeaders, type RouteRequest, RouteResponse } from "./message.ts"
import type { RequestContext } from "./requestContext.ts"

export { Reply } from "./encodeResponse.ts"

type Endpoint = HttpApiEndpoint.ConstraintRequest

/** The checked inputs of a handler. */
type Call<E extends Endpoint> = Omit<
  HttpApiEndpoint.Request<E>,
  "request" | "endpoint" | "group" | "headers"
> & {
  /** The calling user; an empty text on endpoints that need no identity. */
  readonly userId: UserId
  readonly queueToken: string | undefined
  readonly idempotencyKey: string | undefined
  /** The engine calls it if the result is a recorded one. */
  readonly onReplay: () => void
  readonly headers: RequestHeaders
  /**
   * Whether the caller is one of the operator's own services, on behalf of the user that it names.
   */
  readonly isService: boolean
}

type Answer<E extends Endpoint> =
  | HttpApiEndpoint.Success<E>["Type"]
  | Reply<HttpApiEndpoint.Success<E>["Type"]>
  | RouteResponse
  | HttpServerResponse.HttpServerResponse

/** A handler may fail only with the errors that its endpoint declares. */
export type Handler<E extends Endpoint> = (
  call: Call<E>
) => Effect.Effect<Answer<E>, HttpApiEndpoint.Errors<E>>

/** One endpoint with its handler, independent of the server that calls it. */
export interface Route {
  readonly method: string
  /** With `:name` for each parameter. */
  readonly path: `/${string}`
  /** Whether its response is a stream. */
  readonly streams: boolean
  readonly answer: (
    request: RouteRequest,
    requestContext: RequestContext["Service"]
  ) => Effect.Effect<RouteResponse | HttpServerResponse.HttpServerResponse, unknown>
}

const adminRequired = new IdentityRequired({
  hint: "Send the admin token as Authorization: Bearer."
})

/** Makes the route that serves an endpoint. */
export const route = <E extends Endpoint>(
  endpoint: E,
  handler: Handler<E>,
  options: {
    readonly bodyLimit?: number
    readonly streams?: boolean
    /** Whether the operator's own services may call it on behalf of a user. */
    readonly forServices?: boolean
    /** Encodes in place of the schema; it must give the same text. */
    readonly toJson?: (body: HttpApiEndpoint.Success<E>["Type"]) => string
  } = {}
): Route => {
  const top = endpoint as unknown as HttpApiEndpoint.Top
  const read = requestDecoder(top, options.bodyLimit ?? bodyLimit)
  const write = responseEncoder(top, options.toJson)
  const middlewares = top.middlewares as ReadonlySet<unknown>
  const forUsers = middlewares.has(Identity)
  const forAdmins = middlewares.has(Admin)
  const pattern = top.path.replaceAll(/:(\w+)/g, "{$1}")

  const answer: Route["answer"] = Effect.fnUntracedEager(function* (request, requestContext) {
    requestContext.route = pattern
    const { identities } = requestContext
    const { headers, repeated } = request
    // Guard admin-only: with "false" for "forAdmins && (…headers))", identity.test "other callers are refused" fails.
    const isNotAdmin = forAdmins && (repeated !== undefined || !identities.isAdmin(headers))
    const { inputs, bodyProblem } = yield* read(request, isNotAdmin)
    // Guard header-once: without it, identity.test "whichever of the two Node keeps" fails.
    if (repeated !== undefined && (forUsers || forAdmins)) {
      return yield* new IdentityRequired({ hint: `Send ${repeated} once.` })
    }
    // Guard service-routes: without "options…=== true && ", charges.test "on any other route" fails.
    const isService = options.forServices === true && identities.isService(headers)
    const identify = isService ? identities.named : identities.user
    const userId = forUsers ? yield* identify(headers) : ("" as UserId)
    // Guard admin-required: without it, identity.test "other callers are refused" fails.
    if (isNotAdmin) return yield* adminRequired
    // Guard body-problem: without it, errors.test "a body that is not read" fails.
    if (bodyProblem !== undefined) return yield* bodyProblem
    const answer = yield* handler({
      ...inputs,
      userId,
      queueToken: headers["queue-token"],
      onReplay: () => {
        requestContext.replayed = true
      },
      headers,
      isService
    } as unknown as Call<E>)
    if (answer instanceof RouteResponse || HttpServerResponse.isHttpServerResponse(answer))
      return answer
    return write(answer)
  })
  const path = top.path as Route["path"]
  return { method: top.method, path, streams: options.streams === true, answer }
}
