/** The server as a function for a host, and as a process that listens. */
import { createServer, type RequestListener, type Server } from "node:http"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { Context, Effect, Layer } from "effect"
import { Headers, HttpRouter, type HttpServer } from "effect/http"
import type { ServeError } from "effect/http/HttpServerError"
import { Drain } from "../http/drain.ts"
import { limitConnections } from "./connections.ts"
import { documentationPath } from "./errorPages.ts"
import { makeFastPath } from "./fastPath.ts"
import { refuseMalformed, refuseUnroutable } from "./refuseRaw.ts"
import {
  layerHttpRoutes,
  layerRoutes,
  Routes,
  type RoutesOptions,
  routerConfig,
  type Services
} from "./router.ts"
import { logStartFailure, startFailureResponse } from "./startFailure.ts"

/**
 * The routes as a function from a Fetch request to its response, for a host to mount in its own
 * server. Body limits apply; the host configures timeouts and header limits.
 */
export const toWebHandler = <E>(
  options: RoutesOptions,
  services: Layer.Layer<Services, E>
): {
  readonly handler: (request: Request) => Promise<Response>
  readonly dispose: () => Promise<void>
} => {
  const { handler, dispose } = HttpRouter.toWebHandler(
    logStartFailure(layerRoutes(options).pipe(Layer.provide([services, Drain.layer]))),
    { disableLogger: true, routerConfig }
  )
  return {
    // Frameworks pass their own arguments after the request; they are ignored.
    handler: (request: Request, context?: unknown) =>
      handler(request, Context.isContext(context) ? context : undefined).catch(() => {
        const { status, headers, body } = startFailureResponse(options)
        return new Response(body as string, { status, headers })
      }),
    dispose
  }
}

/** Where a server listens, and its limits. */
export interface ListenOptions {
  readonly port: number
  readonly host: string
  /** How long requests in flight may take to finish during shutdown, in seconds. Default: 10. */
  readonly drainSeconds?: number | undefined
  /** The maximum number of connections; the server closes further ones. Default: 10,000. */
  readonly maxConnections?: number | undefined
  /**
   * How long a client may read nothing of a response before it is disconnected, in seconds.
   * Default: 30.
   */
  readonly writeTimeoutSeconds?: number | undefined
}

/** Serves the routes on a port until the layer ends, and then shuts down gracefully: see `docs`. */
export const layerServer = (
  options: RoutesOptions & ListenOptions
): Layer.Layer<HttpServer.HttpServer, ServeError, Services> => {
  const drainSeconds = options.drainSeconds ?? 10
  const server = createServer(serverLimits)
  const documentation = options.documentation ?? documentationPath
  // The layer that is built last ends first: it ends the event streams, so that the server can
  // close.
  const ending = Layer.effectDiscard(
    Effect.gen(function* () {
      const drain = yield* Drain
      yield* Effect.addFinalizer(() => {
        closeStragglersAfter(server, drainSeconds)
        return drain.begin
      })
    })
  )
  const listeners = Layer.effectDiscard(
    Effect.andThen(
      Effect.map(makeFastPath, (fastPath) => installFastPath(server, fastPath)),
      Effect.all([
        refuseUnroutable(server, documentation),
        limitConnections(server, {
          maxConnections: options.maxConnections ?? 10_000,
          writeTimeoutSeconds: options.writeTimeoutSeconds ?? 30
        }),
        Effect.sync(() => refuseMalformed(server, documentation))
      ])
    )
  )
  return ending.pipe(
    Layer.provide(listeners),
    Layer.provideMerge(
      HttpRouter.serve(layerHttpRoutes, {
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

/** Calls the fast path first; requests that it declines go to the previous listeners. */
const installFastPath = (
  server: Server,
  fastPath: (...args: Parameters<RequestListener>) => boolean
): void => {
  const others = server.rawListeners("request") as Array<RequestListener>
  server.removeAllListeners("request")
  server.on("request", (request, response) => {
    if (fastPath(request, response)) return
    for (const other of others) other(request, response)
  })
}

/** Headers to redact in traces, in addition to the defaults. */
const layerSecretHeaders = Layer.effect(
  Headers.CurrentRedactedNames,
  Effect.map(Headers.CurrentRedactedNames, (names) => [...names, "queue-token", "x-user-id"])
)

/** Limits against clients that are slow or send without end, in bytes and milliseconds. */
const serverLimits = {
  maxHeaderSize: 16 * 1024,
  // refuseRaw checks the Host header, because Node would refuse without a problem document.
  requireHostHeader: false,
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  connectionsCheckingInterval: 2_000,
  // Longer than the idle timeout of common load balancers: they must close a connection first.
  keepAliveTimeout: 65_000,
  // TCP keep-alive detects clients that vanished, such as followers of an event stream.
  keepAlive: true,
  keepAliveInitialDelay: 30_000
}

/** Closes the remaining connections after this long, so that the shutdown ends. */
const closeStragglersAfter = (server: Server, seconds: number): void => {
  const timer = setTimeout(() => server.closeAllConnections(), seconds * 1_000)
  timer.unref()
  server.once("close", () => clearTimeout(timer))
}
