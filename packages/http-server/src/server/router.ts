/** All routes of the API, registered in an Effect router. */
import type {
  BoxOfficeStore,
  Catalog,
  Payments,
  Queue,
  Reservations,
  Wallet
} from "@boxoffice/core"
import { ByteSize, Context, Effect, Layer, type Redacted, type Types } from "effect"
import { HttpRouter, HttpServerError, HttpServerRequest, HttpServerResponse } from "effect/http"
import { MethodNotAllowed, RouteUnknown } from "../api/errors.ts"
import { adminRoutes } from "../handlers/admin.ts"
import { catalogRoutes } from "../handlers/catalog.ts"
import { paymentRoutes } from "../handlers/payment.ts"
import { queueRoutes } from "../handlers/queue.ts"
import { queueInfoRoutes } from "../handlers/queueInfo.ts"
import { reservationRoutes } from "../handlers/reservation.ts"
import { systemRoutes } from "../handlers/system.ts"
import { walletRoutes } from "../handlers/wallet.ts"
import type { ChargesOption } from "../http/charges.ts"
import { Drain } from "../http/drain.ts"
import { Identities, type IdentityOptions } from "../http/identity.ts"
import { type RouteRequest, RouteResponse, repeatedIn } from "../http/message.ts"
import { RequestContext, RequestLifecycle, type RequestRecord } from "../http/requestContext.ts"
import type { Route } from "../http/route.ts"
import { checkOptions } from "./checkOptions.ts"
import { documentationPath, errorPages } from "./errorPages.ts"
import { referenceRoutes } from "./reference.ts"

/** Options of the routes. */
export interface RoutesOptions {
  readonly identity: IdentityOptions
  /** The token that identifies operators. Without one, there are no admin routes. */
  readonly adminToken?: string | Redacted.Redacted | undefined
  /** Which callers may charge wallets: see {@link ChargesOption}. */
  readonly charges: ChargesOption
  /** The token that the host's own services send to charge wallets if `charges` is `operator`. */
  readonly serviceToken?: string | Redacted.Redacted | undefined
  /** The prefix of all paths, such as `/tickets`, for a host that also has routes of its own. */
  readonly prefix?: string | undefined
  /**
   * The start of the `type` of an error; its code is appended. The default is the server's own
   * pages, at `/docs/errors/` below the prefix.
   */
  readonly documentation?: string | undefined
  /** Called after each response. */
  readonly onRequest?: ((record: RequestRecord) => void) | undefined
  /** The interval of the heartbeats of an event stream, in seconds. Default: 15. */
  readonly heartbeatSeconds?: number | undefined
  /** The maximum number of open event streams of one user on this server. Default: 10. */
  readonly streamsPerUser?: number | undefined
}

/** The services of the engine that the routes need. */
export type Services = Queue | Catalog | Reservations | Wallet | Payments | BoxOfficeStore

/** The routes that the options select, and the lifecycle of their requests. */
export class Routes extends Context.Service<Routes, ReadonlyArray<Route>>()(
  "@boxoffice/http-server/Routes"
) {
  static readonly layer = (
    options: RoutesOptions
  ): Layer.Layer<Routes | RequestLifecycle, never, Drain | Services> => {
    checkOptions(options)
    const { identity, adminToken, serviceToken, charges, onRequest } = options
    const { heartbeatSeconds = 15, streamsPerUser = 10 } = options
    const prefix = prefixOf(options)
    const lifecycle = Layer.unwrap(
      Effect.map(Drain, ({ isDraining }) =>
        RequestLifecycle.layer({
          documentation: options.documentation ?? prefix + documentationPath,
          isDraining,
          onRequest
        })
      )
    )
    const routes = Layer.effect(
      Routes,
      Effect.gen(function* () {
        const groups = yield* Effect.all([
          queueRoutes({ heartbeatSeconds, streamsPerUser }),
          queueInfoRoutes,
          catalogRoutes,
          reservationRoutes,
          walletRoutes(charges),
          paymentRoutes,
          systemRoutes,
          adminToken === undefined ? Effect.succeed([]) : adminRoutes
        ])
        const routes = [
          ...groups.flat(),
          ...errorPages,
          ...referenceRoutes(adminToken !== undefined, prefix)
        ]
        return prefix === "" ? routes : routes.map(withPrefix(prefix))
      })
    )
    return Layer.mergeAll(
      routes,
      Layer.provide(lifecycle, Identities.layer({ identity, adminToken, serviceToken }))
    )
  }
}

/** All routes, on the engine's services. It starts no server and listens on no port. */
export const layerRoutes = (
  options: RoutesOptions
): Layer.Layer<never, never, HttpRouter.HttpRouter | Drain | Services> =>
  layerHttpRoutes.pipe(Layer.provide(Routes.layer(options)))

/** {@link layerRoutes} for routes that exist already. */
export const layerHttpRoutes: Layer.Layer<
  never,
  never,
  HttpRouter.HttpRouter | Routes | RequestLifecycle
> = Layer.suspend(() => {
  const routes = Layer.unwrap(
    Effect.map(Routes, (routes) => HttpRouter.addAll(routes.map(toHttpRoute)))
  ) as Layer.Layer<never, never, HttpRouter.HttpRouter | Routes>
  return Layer.merge(routes, layerRequestContext)
})

/** Ids in a path may be longer than the router's default allows. No route matches a longer one. */
export const routerConfig = { maxParamLength: 4_096 }

const isTooLong = (path: string): boolean =>
  path.length > routerConfig.maxParamLength &&
  path.split("/").some((segment) => segment.length > routerConfig.maxParamLength)

const possiblePrefix = /^(?:\/[\w.~-]+)+$/

/** The prefix without a trailing slash; empty if there is none. */
export const prefixOf = ({ prefix = "" }: RoutesOptions): string => {
  const given = prefix.replace(/\/$/, "")
  if (given !== "" && !possiblePrefix.test(given)) {
    throw new TypeError(`Not a prefix for paths, such as /tickets: ${prefix}`)
  }
  return given
}

/** Adds a prefix to the path of a route and to its `location` headers. */
const withPrefix =
  (prefix: string) =>
  (route: Route): Route => ({
    ...route,
    path: `${prefix}${route.path}` as Route["path"],
    answer: (request, requestContext) =>
      Effect.map(route.answer(request, requestContext), (answer) => {
        if (!(answer instanceof RouteResponse) || answer.headers.location === undefined)
          return answer
        const location = prefix + answer.headers.location
        return new RouteResponse(answer.status, { ...answer.headers, location }, answer.body)
      })
  })

const toHttpRoute = (route: Route): HttpRouter.Route<unknown, RequestContext> => {
  const refuseAlias = refuseAliases(route.path)
  return HttpRouter.route(
    route.method as "GET",
    route.path,
    Effect.gen(function* () {
      const request = yield* HttpServerRequest.HttpServerRequest
      yield* refuseAlias
      const { params } = yield* HttpRouter.RouteContext
      const answer = yield* route.answer(toRouteRequest(request, params), yield* RequestContext)
      return answer instanceof RouteResponse ? toResponse(answer) : answer
    })
  )
}

/**
 * Refuses other spellings of a path: the router would accept them, and a gateway's rule would not
 * match.
 */
const refuseAliases = (route: string) => {
  const pattern = patternOf(route)
  return Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
    const path = pathOf(request)
    // Guard canonical-path: with "true" for "pattern.test(…isCanonical(path)", paths.test "to no other" fails.
    return pattern.test(path) && isCanonical(path) ? Effect.void : Effect.fail(new RouteUnknown())
  })
}

/** Matches the paths of a route exactly, case and slashes included. */
const patternOf = (path: string): RegExp =>
  new RegExp(`^${path.replaceAll(".", "\\.").replaceAll(/:\w+/g, "[^/]+")}$`)

/** Whether a path escapes exactly the characters that it has to. */
const isCanonical = (path: string): boolean => path.split("/").every(isCanonicalSegment)

const isCanonicalSegment = (segment: string): boolean => {
  try {
    const escaped = encodeURIComponent(decodeURIComponent(segment))
    // A colon may be unescaped, as in `team:final`.
    return segment === escaped || segment === escaped.replaceAll("%3A", ":")
  } catch {
    return false
  }
}

const toRouteRequest = (
  request: HttpServerRequest.HttpServerRequest,
  params: RouteRequest["params"]
): RouteRequest => ({
  headers: request.headers,
  // A Fetch request has joined repeated headers by commas, and no identity contains a comma.
  repeated:
    "rawHeaders" in request.source ? repeatedIn(request.source.rawHeaders as [string]) : undefined,
  params,
  search: /\?(.*)$/.exec(request.url)?.[1] ?? "",
  hasBody: hasBody(request),
  body: (bytesMax) =>
    request.arrayBuffer.pipe(
      Effect.provideService(HttpServerRequest.MaxBodySize, ByteSize.bytes(bytesMax)),
      Effect.map((buffer) => new Uint8Array(buffer)),
      Effect.mapError((error) => (isTooLarge(error) ? "too large" : "broken off"))
    )
})

// Adapters of Node's requests give a stream to each request that may have a body, so the declared
// length decides.
const hasBody = ({
  headers,
  source
}: HttpServerRequest.HttpServerRequest): RouteRequest["hasBody"] => {
  if (source instanceof Request && source.body === null) return false
  if (headers["content-length"] !== undefined) return Number(headers["content-length"]) !== 0
  return source instanceof Request || headers["transfer-encoding"] !== undefined ? "unknown" : false
}

const isTooLarge = (error: HttpServerError.HttpServerError): boolean =>
  error.reason._tag === "RequestParseError" && error.reason.reason === "BodyTooLarge"

const toResponse = ({
  status,
  headers,
  body
}: RouteResponse): HttpServerResponse.HttpServerResponse => {
  if (body === undefined) return HttpServerResponse.empty({ status, headers })
  const options = { status, headers, contentType: headers["content-type"] }
  return typeof body === "string"
    ? HttpServerResponse.text(body, options)
    : HttpServerResponse.uint8Array(body, options)
}

/** Wraps every request in its context and lifecycle, including requests without a route. */
const layerRequestContext: Layer.Layer<
  never,
  never,
  HttpRouter.HttpRouter | Routes | RequestLifecycle
> = HttpRouter.use((router) =>
  Effect.gen(function* () {
    const { begin, end, problem } = yield* RequestLifecycle
    const methodsOf = methodsByPath(yield* Routes)
    // Guard canonical-methods: without " || !isCanonical(path)", paths.test "another method" fails.
    const methodsAt = (path: string) =>
      isTooLong(path) || !isCanonical(path) ? [] : methodsOf(path)
    // This middleware handles every failure, but its type declares one, since routes may fail.
    yield* router.addGlobalMiddleware(
      (effect): Effect.Effect<HttpServerResponse.HttpServerResponse, Types.unhandled> =>
        Effect.withFiber((fiber) => {
          const request = Context.getUnsafe(fiber.context, HttpServerRequest.HttpServerRequest)
          const requestContext = begin(request.method, request.headers)
          return effect.pipe(
            Effect.mapError((error: unknown) =>
              isRouteNotFound(error) ? notRouted(methodsAt(pathOf(request))) : error
            ),
            Effect.catchCause((cause) => Effect.map(problem(requestContext, cause), toResponse)),
            Effect.map((response) =>
              HttpServerResponse.setHeaders(response, end(requestContext, response.status))
            ),
            Effect.provideService(RequestContext, requestContext)
          )
        })
    )
  })
)

const isRouteNotFound = (error: unknown): boolean =>
  HttpServerError.isHttpServerError(error) && error.reason._tag === "RouteNotFound"

const notRouted = (allow: ReadonlyArray<string>) =>
  allow.length > 0 ? new MethodNotAllowed({ allow }) : new RouteUnknown()

/**
 * The path as the client wrote it. Effect's own URL is not used, because for an absolute URL it has
 * resolved dots and double slashes. A URL of another protocol than HTTP matches no route.
 */
const pathOf = ({ source }: HttpServerRequest.HttpServerRequest): string =>
  (source as { readonly url: string }).url.replace(/^https?:\/\/[^/?#]*/i, "").split("?", 1)[0]!

/** The methods of the routes that match a path. */
const methodsByPath = (
  routes: ReadonlyArray<{ readonly method: string; readonly path: string }>
) => {
  const patterns = routes.map(({ method, path }) => ({
    methods: method === "GET" ? ["GET", "HEAD"] : [method],
    path: patternOf(path)
  }))
  return (path: string): ReadonlyArray<string> =>
    Array.from(
      new Set(patterns.flatMap((pattern) => (pattern.path.test(path) ? pattern.methods : [])))
    )
}
