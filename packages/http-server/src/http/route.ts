/**
 * From an endpoint of the API to a route of the server.
 *
 * `HttpApiBuilder` would do much of this, but decides for itself what is looked at first, and reads
 * JSON more kindly than money allows. Here a request is looked at in the order that the API
 * promises: whether it fits the schemas, its idempotency key, who is calling, whether its body is
 * too large to read or of a type that nobody reads; and then the handler.
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
  readonly headers: RequestHeaders
  /** Whether one of the operator's own services calls, on behalf of the user that it names. */
  readonly isService: boolean
}

type Answer<E extends Endpoint> =
  | HttpApiEndpoint.Success<E>["Type"]
  | Reply<HttpApiEndpoint.Success<E>["Type"]>
  | RouteResponse
  | HttpServerResponse.HttpServerResponse

/** A handler can fail with what its endpoint declares and nothing else. */
export type Handler<E extends Endpoint> = (
  call: Call<E>
) => Effect.Effect<Answer<E>, HttpApiEndpoint.Errors<E>>

/** One endpoint, served. Which server asks it is not its business. */
export interface Route {
  readonly method: string
  /** With `:name` for what varies. */
  readonly path: `/${string}`
  /** Whether its answer comes piece by piece. */
  readonly streams: boolean
  readonly answer: (
    request: RouteRequest,
    requestContext: RequestContext["Service"]
  ) => Effect.Effect<RouteResponse | HttpServerResponse.HttpServerResponse, unknown>
}

const adminRequired = new IdentityRequired({
  hint: "Send the admin token as Authorization: Bearer."
})

/** The route that serves an endpoint. */
export const route = <E extends Endpoint>(
  endpoint: E,
  handler: Handler<E>,
  options: {
    readonly bodyLimit?: number
    readonly streams?: boolean
    /** Whether the operator's own services may call it on behalf of a user. */
    readonly forServices?: boolean
    /** In place of the schema, which it has to equal. */
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
    const isNotAdmin = forAdmins && (repeated !== undefined || !identities.isAdmin(headers))
    const { inputs, bodyProblem } = yield* read(request, isNotAdmin)
    if (repeated !== undefined && (forUsers || forAdmins)) {
      return yield* new IdentityRequired({ hint: `Send ${repeated} once.` })
    }
    const isService = options.forServices === true && identities.isService(headers)
    const identify = isService ? identities.named : identities.user
    const userId = forUsers ? yield* identify(headers) : ("" as UserId)
    if (isNotAdmin) return yield* adminRequired
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
