/** All routes of the API, as an Effect router takes them. */
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

/** What the routes are made with. */
export interface RoutesOptions {
  readonly identity: IdentityOptions
  /** Who knows it is an operator. Without one, there are no admin routes. */
  readonly adminToken?: string | Redacted.Redacted | undefined
  /** Who may charge wallets: see {@link ChargesOption}. */
  readonly charges: ChargesOption
  /** Which the host's own services send to charge wallets, where `charges` is `operator`. */
  readonly serviceToken?: string | Redacted.Redacted | undefined
  /** Where all paths begin, such as `/tickets`, for a host with other routes beside these. */
  readonly prefix?: string | undefined
  /**
   * What the `type` of an error begins with; its code follows. By default the pages that this
   * server has itself, at `/docs/errors/` below the prefix.
   */
  readonly documentation?: string | undefined
  /** Told of every request that was answered. */
  readonly onRequest?: ((record: RequestRecord) => void) | undefined
  /** How often an event stream shows that it lives. Default: 15. */
  readonly heartbeatSeconds?: number | undefined
  /** The most event streams that one user can follow at a time on this server. Default: 10. */
  readonly streamsPerUser?: number | undefined
}

/** What the routes need of the engine. */
export type Services = Queue | Catalog | Reservations | Wallet | Payments | BoxOfficeStore

/** The routes that these options ask for, and what every request of theirs gets. */
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

/** All routes, on the engine's services. Starts nothing and listens to nothing by itself. */
export const layerRoutes = (
  options: RoutesOptions
): Layer.Layer<never, never, HttpRouter.HttpRouter | Drain | Services> =>
  layerHttpRoutes.pipe(Layer.provide(Routes.layer(options)))

/** {@link layerRoutes} of routes that are made already. */
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

/** Ids and cursors in a path may be longer than the router's own default allows. */
export const routerConfig = { maxParamLength: 4_096 }

const possiblePrefix = /^(?:\/[\w.~-]+)+$/

/** Without its last slash; empty where there is none. */
export const prefixOf = ({ prefix = "" }: RoutesOptions): string => {
  const given = prefix.replace(/\/$/, "")
  if (given !== "" && !possiblePrefix.test(given)) {
    throw new TypeError(`Not a prefix for paths, such as /tickets: ${prefix}`)
  }
  return given
}

/** A route below a prefix, which also is where it says that things are. */
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

/** The router takes other spellings for the same, which a rule of a gateway would let through. */
const refuseAliases = (route: string) => {
  const pattern = patternOf(route)
  return Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
    const path = pathOf(request)
    return pattern.test(path) && isCanonical(path) ? Effect.void : Effect.fail(new RouteUnknown())
  })
}

/** A path of the route, as it is written: case, slashes and all. */
const patternOf = (path: string): RegExp =>
  new RegExp(`^${path.replaceAll(".", "\\.").replaceAll(/:\w+/g, "[^/]+")}$`)

/** Whether nothing in a path is escaped that need not be, and everything that has to be. */
const isCanonical = (path: string): boolean => path.split("/").every(isCanonicalSegment)

const isCanonicalSegment = (segment: string): boolean => {
  try {
    const escaped = encodeURIComponent(decodeURIComponent(segment))
    // A colon may stand as it is, as in `team:final`.
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
  // A Fetch request has joined them: none of those is anybody's identity.
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

// Adapters of Node's requests give a stream to each that may have a body, so its length decides.
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

/** Wraps every route, those that do not exist included. */
const layerRequestContext: Layer.Layer<
  never,
  never,
  HttpRouter.HttpRouter | Routes | RequestLifecycle
> = HttpRouter.use((router) =>
  Effect.gen(function* () {
    const { begin, end, problem } = yield* RequestLifecycle
    const methodsOf = methodsByPath(yield* Routes)
    const methodsAt = (path: string) => (isCanonical(path) ? methodsOf(path) : [])
    // Whatever fails is answered here, but routes may fail: the router is told that they still do.
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
 * As the client wrote it: of a whole URL, the library's own has no dots and double slashes any
 * more. A URL of another protocol than HTTP has no path that is known here.
 */
const pathOf = ({ source }: HttpServerRequest.HttpServerRequest): string =>
  (source as { readonly url: string }).url.replace(/^https?:\/\/[^/?#]*/i, "").split("?", 1)[0]!

/** Which methods the routes of a path have. */
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
