/** The routes as one layer, and the server that listens. */
import { createServer, type Server, STATUS_CODES } from "node:http"
import type { Socket } from "node:net"
import {
  type BoxOfficeStore,
  type Catalog,
  newCommandId,
  type Payments,
  type Queue,
  RequestInvalid,
  type Reservations,
  type Wallet
} from "@boxoffice/core"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { Effect, Layer, type Redacted } from "effect"
import { Headers, HttpRouter, type HttpServer, HttpServerResponse } from "effect/http"
import type { ServeError } from "effect/http/HttpServerError"
import { HttpApiScalar, OpenApi } from "effect/http-api"
import { Api, PublicApi } from "./api.ts"
import { Drain } from "./drain.ts"
import { documentationPath, errorPages } from "./errorPages.ts"
import { ExchangeSettings, layerExchange, type RequestRecord } from "./exchange.ts"
import { adminRoutes } from "./handlers/admin.ts"
import { catalogRoutes } from "./handlers/catalog.ts"
import { paymentRoutes } from "./handlers/payment.ts"
import { queueRoutes } from "./handlers/queue.ts"
import { reservationRoutes } from "./handlers/reservation.ts"
import { systemRoutes } from "./handlers/system.ts"
import { walletRoutes } from "./handlers/wallet.ts"
import { Identities, type IdentityOptions } from "./identity.ts"
import { problemContentType, toProblem } from "./problem.ts"

/** What the routes are made with. */
export interface RoutesOptions {
  readonly identity: IdentityOptions
  /** Who knows it is an operator. Without one, there are no admin routes. */
  readonly adminToken?: Redacted.Redacted | undefined
  /**
   * What the `type` of an error begins with; its code follows. By default the pages that this
   * server has itself, at `/docs/errors/`.
   */
  readonly documentation?: string | undefined
  /** Told of every request that was answered. */
  readonly onRequest?: ((record: RequestRecord) => void) | undefined
  /** How often an event stream shows that it lives. Default: 15. */
  readonly heartbeatSeconds?: number | undefined
}

type Services = Queue | Catalog | Reservations | Wallet | Payments | BoxOfficeStore

/** All routes, on the engine's services. Starts nothing and listens to nothing by itself. */
export const layerRoutes = (
  options: RoutesOptions
): Layer.Layer<never, never, HttpRouter.HttpRouter | Drain | Services> => {
  const hasAdmin = options.adminToken !== undefined
  return Layer.unwrap(
    Effect.gen(function* () {
      const groups = yield* Effect.all([
        queueRoutes({ heartbeatSeconds: options.heartbeatSeconds ?? 15 }),
        catalogRoutes,
        reservationRoutes,
        walletRoutes,
        paymentRoutes,
        systemRoutes,
        hasAdmin ? adminRoutes : Effect.succeed([])
      ])
      const routes = [...groups.flat(), ...errorPages, openapi(hasAdmin)]
      const settings = Layer.succeed(ExchangeSettings, {
        identities: yield* Identities,
        isDraining: (yield* Drain).isDraining,
        documentation: options.documentation ?? documentationPath,
        onRequest: options.onRequest,
        methodsOf: methodsOf([...routes, { method: "GET", path: "/docs" }])
      })
      const all = HttpRouter.addAll(routes) as Layer.Layer<never, never, HttpRouter.HttpRouter>
      const docs = hasAdmin ? HttpApiScalar.layer(Api, page) : HttpApiScalar.layer(PublicApi, page)
      return Layer.mergeAll(all, docs, Layer.provide(layerExchange, settings))
    })
  ).pipe(
    Layer.provide(Identities.layer({ identity: options.identity, adminToken: options.adminToken }))
  )
}

/** Ids and cursors in a path may be longer than the router's own default allows. */
export const routerConfig = { maxParamLength: 4_096 }

// Shown without a network as well.
const page = { path: "/docs", scalar: { withDefaultFonts: false } } as const

const openapi = (hasAdmin: boolean) => {
  const document = hasAdmin ? OpenApi.fromApi(Api) : OpenApi.fromApi(PublicApi)
  return HttpRouter.route("GET", "/openapi.json", HttpServerResponse.jsonUnsafe(document))
}

/** Which methods the routes of a path have. */
const methodsOf = (routes: ReadonlyArray<{ readonly method: string; readonly path: string }>) => {
  const patterns = routes.map(({ method, path }) => ({
    methods: method === "GET" ? ["GET", "HEAD"] : [method],
    path: new RegExp(`^${path.replaceAll(".", "\\.").replaceAll(/:\w+/g, "[^/]+")}$`)
  }))
  return (path: string): ReadonlyArray<string> =>
    Array.from(
      new Set(patterns.flatMap((pattern) => (pattern.path.test(path) ? pattern.methods : [])))
    )
}

/**
 * The routes as a function from a Fetch request to its response, for a host to mount in a server
 * of its own. Body limits hold; timeouts and limits of headers are the host's.
 */
export const toWebHandler = <E>(
  options: RoutesOptions,
  services: Layer.Layer<Services, E>
): {
  readonly handler: (request: Request) => Promise<Response>
  readonly dispose: () => Promise<void>
} =>
  HttpRouter.toWebHandler(layerRoutes(options).pipe(Layer.provide([services, Drain.layer])), {
    disableLogger: true,
    routerConfig
  })

/** Where a server listens, and what it puts up with. */
export interface ListenOptions {
  readonly port: number
  readonly host: string
  /** How long requests in flight may take to end once the server closes. Default: 10. */
  readonly drainSeconds?: number | undefined
}

/** Serves the routes on a port, until the layer ends: see `docs` for how it ends. */
export const layerServer = (
  options: RoutesOptions & ListenOptions
): Layer.Layer<HttpServer.HttpServer, ServeError, Services> => {
  const drainSeconds = options.drainSeconds ?? 10
  const server = createServer(limits)
  server.on("clientError", refuseBy(options.documentation ?? documentationPath))
  // The last to be built is the first to end: event streams do, and then the server can close.
  const ending = Layer.effectDiscard(
    Effect.gen(function* () {
      const drain = yield* Drain
      yield* Effect.addFinalizer(() => {
        endSoon(server, drainSeconds)
        return drain.begin
      })
    })
  )
  return ending.pipe(
    Layer.provideMerge(
      HttpRouter.serve(layerRoutes(options), {
        disableLogger: true,
        disableListenLog: true,
        routerConfig
      })
    ),
    Layer.provide([Drain.layer, layerSecretHeaders]),
    Layer.provideMerge(
      NodeHttpServer.layerServer(() => server, {
        port: options.port,
        host: options.host,
        gracefulShutdownTimeout: `${drainSeconds} seconds`
      })
    )
  )
}

/** What traces must not show of a request, beside what they never do. */
const layerSecretHeaders = Layer.effect(
  Headers.CurrentRedactedNames,
  Effect.map(Headers.CurrentRedactedNames, (names) => [...names, "queue-token", "x-user-id"])
)

/** Against clients that are slow, or send without end. In bytes and milliseconds. */
const limits = {
  maxHeaderSize: 16 * 1024,
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  connectionsCheckingInterval: 2_000,
  // Longer than the idle timeout of the usual load balancers, which must be the first to close.
  keepAliveTimeout: 65_000
}

/** Stragglers are cut off, so that closing has an end. */
const endSoon = (server: Server, seconds: number): void => {
  const timer = setTimeout(() => server.closeAllConnections(), seconds * 1_000)
  timer.unref()
  server.once("close", () => clearTimeout(timer))
}

const refusals: Record<string, readonly [status: number, code: string, detail: string]> = {
  HPE_HEADER_OVERFLOW: [431, "headers_too_large", "The headers may have at most 16384 bytes."],
  ERR_HTTP_REQUEST_TIMEOUT: [408, "request_timeout", "The request took too long to arrive."]
}

/** Answers what is no request yet, and so meets no route. */
const refuseBy =
  (documentation: string) =>
  (error: Error & { readonly code?: string }, socket: Socket): void => {
    if (error.code === "ECONNRESET" || !socket.writable) {
      socket.destroy()
      return
    }
    const requestId = newCommandId()
    const known = refusals[error.code ?? ""]
    const { status, body } = known
      ? { status: known[0], body: bareProblem(...known, requestId) }
      : toProblem(malformed, { requestId, documentation })
    const text = JSON.stringify(body)
    socket.end(
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n` +
        `Content-Type: ${problemContentType}\r\nContent-Length: ${Buffer.byteLength(text)}\r\n` +
        `X-Request-Id: ${requestId}\r\nConnection: close\r\n\r\n${text}`
    )
  }

const malformed = new RequestInvalid({ errors: [{ path: "", message: "This is not HTTP." }] })

/** Of what is told by its status alone, and has no page. */
const bareProblem = (status: number, code: string, detail: string, requestId: string) => ({
  type: "about:blank",
  title: STATUS_CODES[status],
  status,
  detail,
  code,
  requestId
})
