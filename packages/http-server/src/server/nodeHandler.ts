/** The routes as a handler for frameworks on Node's own requests and responses. */
import type { IncomingMessage, ServerResponse } from "node:http"
import { Readable } from "node:stream"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { Context, Effect, Exit, Layer, Scope } from "effect"
import { HttpRouter } from "effect/http"
import { Drain } from "../http/drain.ts"
import { checkOptions } from "./checkOptions.ts"
import { layerRoutes, prefixOf, type RoutesOptions, routerConfig, type Services } from "./router.ts"
import { logStartFailure, startFailureResponse } from "./startFailure.ts"

/**
 * A request listener for Node, which also works as a middleware of Express and similar frameworks.
 */
export interface NodeHandler {
  /**
   * Handles a request. A request outside the prefix is passed to `next` if the framework gives one.
   * A client that disconnects interrupts its request; event streams are sent as events occur.
   */
  readonly handler: (
    request: IncomingMessage,
    response: ServerResponse,
    next?: (error?: unknown) => void
  ) => void
  /**
   * Shuts down gracefully: event streams end, requests in flight finish within `drainSeconds`, and
   * then the services end.
   */
  readonly dispose: () => Promise<void>
}

/** Options of the routes in a Node server. */
export interface NodeHandlerOptions extends RoutesOptions {
  /** How long requests in flight may take to finish, in seconds. Default: 10. */
  readonly drainSeconds?: number | undefined
}

/**
 * The routes as a listener for the requests of a Node server: for Express, Fastify, NestJS, and
 * `node:http` itself. For frameworks on the Fetch API, use `toWebHandler`.
 *
 * A `prefix` works whether or not the framework removes it from the URL of a routed request. A body
 * that the framework has parsed already, as `express.json()` does, is used as parsed. The host
 * configures timeouts and header limits.
 *
 * @example
 * ```ts
 * import { createServer } from "node:http"
 * import type { PromisedBoxOffice } from "@boxoffice/core"
 * import { toNodeHandler } from "@boxoffice/http-server"
 *
 * const serve = (office: PromisedBoxOffice) => {
 *   const options = { identity: { mode: "header" }, charges: "user", prefix: "/tickets" } as const
 *   return createServer(toNodeHandler(options, office.services).handler).listen(3000)
 * }
 * ```
 */
export const toNodeHandler = <E>(
  options: NodeHandlerOptions,
  services: Layer.Layer<Services, E>
): NodeHandler => {
  checkNodeOptions(options)
  const prefix = prefixOf(options)
  const scope = Scope.makeUnsafe()
  const inFlight = new Set<ServerResponse>()
  let listener: Listener | undefined
  const starting = Effect.runPromise(makeListener(options, services, scope))
  starting.then(
    (started) => {
      listener = started.listener
    },
    // The failure is logged already, and every request gets a response that reports it.
    () => {}
  )

  const handler: NodeHandler["handler"] = (request, response, next) => {
    if (!isUnderPrefix(prefix, wholeUrl(request)) && next !== undefined) return next()
    inFlight.add(response)
    response.once("close", () => inFlight.delete(response))
    const source = sourceOf(request, prefix)
    if (listener !== undefined) return listener(source, response)
    starting.then(
      ({ listener }) => listener(source, response),
      (error) => {
        if (next !== undefined) return next(error)
        const { status, headers, body } = startFailureResponse(options)
        response.writeHead(status, headers).end(body)
      }
    )
  }

  let disposed: Promise<void> | undefined
  const end = async () => {
    const drain = await starting.then(
      ({ drain }) => drain,
      () => undefined
    )
    if (drain !== undefined) await Effect.runPromise(drain.begin)
    await allClosed(inFlight, (options.drainSeconds ?? 10) * 1_000)
    await Effect.runPromise(Scope.close(scope, Exit.void))
  }
  return {
    handler,
    dispose: () => {
      disposed ??= end()
      return disposed
    }
  }
}

const checkNodeOptions = (options: NodeHandlerOptions): void => {
  checkOptions(options)
  const { drainSeconds = 0 }: { readonly drainSeconds?: unknown } = options
  if (typeof drainSeconds !== "number" || !(drainSeconds >= 0)) {
    throw new TypeError("drainSeconds must be a number, and not below 0.")
  }
}

type Listener = (request: IncomingMessage, response: ServerResponse) => void

const makeListener = <E>(
  options: RoutesOptions,
  services: Layer.Layer<Services, E>,
  scope: Scope.Closeable
) =>
  Effect.gen(function* () {
    const router = HttpRouter.layer.pipe(
      Layer.provide(Layer.succeed(HttpRouter.RouterConfig, routerConfig))
    )
    const layer = layerRoutes(options).pipe(
      Layer.provideMerge(router),
      Layer.provideMerge(Drain.layer),
      Layer.provide(services)
    )
    const context = yield* Layer.buildWithScope(logStartFailure(layer), scope)
    const app = Context.get(context, HttpRouter.HttpRouter).asHttpEffect()
    const listener: Listener = yield* NodeHttpServer.makeHandler(app, { scope })
    return { listener, drain: Context.get(context, Drain) }
  })

/** The URL as the client sent it: routers like Connect remove the part that they matched. */
const wholeUrl = (request: IncomingMessage & { readonly originalUrl?: unknown }): string =>
  typeof request.originalUrl === "string" ? request.originalUrl : (request.url ?? "/")

const isUnderPrefix = (prefix: string, url: string): boolean =>
  url.startsWith(prefix) && /^(?:$|[/?])/.test(url.slice(prefix.length))

/** The request with its whole URL, and with its body if the framework has read it already. */
const sourceOf = (request: IncomingMessage, prefix: string): IncomingMessage => {
  if (prefix !== "") request.url = wholeUrl(request)
  if (!request.readableDidRead) return request
  const { method, url, headers, rawHeaders, socket, httpVersionMajor } = request
  const head = { method, url, headers, rawHeaders, socket, httpVersionMajor, complete: true }
  const body = Readable.from(bodyOf(request), { objectMode: false })
  return Object.assign(body, head) as unknown as IncomingMessage
}

interface Parsed {
  readonly body?: unknown
  /** The unparsed body, which NestJS keeps if configured to. */
  readonly rawBody?: unknown
}

const bodyOf = (request: IncomingMessage & Parsed): ReadonlyArray<Uint8Array> => {
  const body = request.rawBody ?? request.body
  if (body === undefined) return []
  if (body instanceof Uint8Array) return [body]
  return [Buffer.from(typeof body === "string" ? body : JSON.stringify(body))]
}

/** Waits until every response has closed, but at most this long. */
const allClosed = async (
  open: ReadonlySet<ServerResponse>,
  milliseconds: number
): Promise<void> => {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => {
    // Guard drain-deadline: without it, nodeHandler.test "waits no longer" fails.
    timer = setTimeout(resolve, milliseconds)
  })
  await Promise.race([Promise.all(Array.from(open, closed)), late])
  clearTimeout(timer)
}

const closed = (response: ServerResponse): Promise<void> =>
  new Promise((resolve) => response.once("close", () => resolve()))
