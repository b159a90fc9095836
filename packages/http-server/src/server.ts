/** The servers: as a function for a host, and as one that listens. */
import { createServer, type RequestListener, type Server, STATUS_CODES } from "node:http"
import type { Socket } from "node:net"
import { newCommandId, RequestInvalid } from "@boxoffice/core"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { Context, Effect, Layer } from "effect"
import { Headers, HttpRouter, type HttpServer } from "effect/http"
import type { ServeError } from "effect/http/HttpServerError"
import { makeDirect } from "./direct.ts"
import { Drain } from "./drain.ts"
import { documentationPath } from "./errorPages.ts"
import { problemContentType, toProblem } from "./problem.ts"
import {
  layerHttpRoutes,
  layerRoutes,
  Routes,
  type RoutesOptions,
  routerConfig,
  type Services
} from "./routes.ts"

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
} => {
  const { handler, dispose } = HttpRouter.toWebHandler(
    layerRoutes(options).pipe(Layer.provide([services, Drain.layer])),
    { disableLogger: true, routerConfig }
  )
  return {
    // Frameworks pass arguments of their own behind the request, which mean nothing here.
    handler: (request: Request, context?: unknown) =>
      handler(request, Context.isContext(context) ? context : undefined),
    dispose
  }
}

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
  const direct = Layer.effectDiscard(
    Effect.map(makeDirect, (answers) => putInFront(server, answers))
  )
  return ending.pipe(
    Layer.provide(direct),
    Layer.provideMerge(
      HttpRouter.serve(layerHttpRoutes(options), {
        disableLogger: true,
        disableListenLog: true,
        routerConfig
      })
    ),
    Layer.provide(Routes.layer(options)),
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

/** Asks first who may answer at once; the rest goes to whoever listened before. */
const putInFront = (
  server: Server,
  answers: (...exchange: Parameters<RequestListener>) => boolean
): void => {
  const others = server.rawListeners("request") as Array<RequestListener>
  server.removeAllListeners("request")
  server.on("request", (request, response) => {
    if (answers(request, response)) return
    for (const other of others) other(request, response)
  })
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
