/** The servers: as a function for a host, and as one that listens. */
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
    logStartFailure(layerRoutes(options).pipe(Layer.provide([services, Drain.layer]))),
    { disableLogger: true, routerConfig }
  )
  return {
    // Frameworks pass arguments of their own behind the request, which mean nothing here.
    handler: (request: Request, context?: unknown) =>
      handler(request, Context.isContext(context) ? context : undefined).catch(() => {
        const { status, headers, body } = startFailureResponse(options)
        return new Response(body as string, { status, headers })
      }),
    dispose
  }
}

/** Where a server listens, and what it puts up with. */
export interface ListenOptions {
  readonly port: number
  readonly host: string
  /** How long requests in flight may take to end once the server closes. Default: 10. */
  readonly drainSeconds?: number | undefined
  /** The most connections at a time; more are hung up on. Default: 10,000. */
  readonly maxConnections?: number | undefined
  /** For how long a client may take nothing of an answer before it is hung up on. Default: 30. */
  readonly writeTimeoutSeconds?: number | undefined
}

/** Serves the routes on a port, until the layer ends: see `docs` for how it ends. */
export const layerServer = (
  options: RoutesOptions & ListenOptions
): Layer.Layer<HttpServer.HttpServer, ServeError, Services> => {
  const drainSeconds = options.drainSeconds ?? 10
  const server = createServer(limits)
  const documentation = options.documentation ?? documentationPath
  // The last to be built is the first to end: event streams do, and then the server can close.
  const ending = Layer.effectDiscard(
    Effect.gen(function* () {
      const drain = yield* Drain
      yield* Effect.addFinalizer(() => {
        closeStragglersAfter(server, drainSeconds)
        return drain.begin
      })
    })
  )
  const direct = Layer.effectDiscard(
    Effect.andThen(
      Effect.map(makeFastPath, (answers) => installFastPath(server, answers)),
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
    Layer.provide(direct),
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

/** Asks first who may answer at once; the rest goes to whoever listened before. */
const installFastPath = (
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
  // It is required, but Node refuses in its own words.
  requireHostHeader: false,
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  connectionsCheckingInterval: 2_000,
  // Longer than the idle timeout of the usual load balancers, which must be the first to close.
  keepAliveTimeout: 65_000,
  // Finds out about clients that went without a word, such as those who follow a stream.
  keepAlive: true,
  keepAliveInitialDelay: 30_000
}

/** Stragglers are cut off, so that closing has an end. */
const closeStragglersAfter = (server: Server, seconds: number): void => {
  const timer = setTimeout(() => server.closeAllConnections(), seconds * 1_000)
  timer.unref()
  server.once("close", () => clearTimeout(timer))
}
