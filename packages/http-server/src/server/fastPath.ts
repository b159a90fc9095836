/**
 * The fast path: handles usual requests directly on Node's request and response.
 *
 * Effect's server and router take longer for a request than everything else that it needs: decision
 * 11 has the figures. The fast path may decline any request, and the router then handles it. It
 * declines bodies that are large or of unknown length, escapes in paths, HEAD, streams, and paths
 * without a route. It is to be removed once the router takes at most 20 % longer.
 */
import type { IncomingMessage, ServerResponse } from "node:http"
import { Context, Effect, Exit, Option, References } from "effect"
import { Headers, HttpTraceContext } from "effect/http"
import { bodyLimit } from "../http/decodeRequest.ts"
import {
  type BodyFault,
  type RequestHeaders,
  type RouteRequest,
  type RouteResponse,
  repeatedIn
} from "../http/message.ts"
import { makePathMatcher } from "../http/pathMatcher.ts"
import { type RequestContext, RequestLifecycle } from "../http/requestContext.ts"
import type { Route } from "../http/route.ts"
import { Routes } from "./router.ts"

/** Responds to a request, or leaves it untouched and returns `false`. */
export type FastPath = (request: IncomingMessage, response: ServerResponse) => boolean

export const makeFastPath: Effect.Effect<FastPath, never, Routes | RequestLifecycle> = Effect.gen(
  function* () {
    const { begin, end, problem } = yield* RequestLifecycle
    const find = makeRouteFinder(yield* Routes)
    const send = makeSend()
    const context = yield* Effect.context<never>()
    const fork = Effect.runForkWith(context)
    const isTraced = Context.get(context, References.TracerEnabled)

    return (request, response) => {
      const found = find(request)
      if (found === undefined) return false
      const requestContext = begin(request.method!, request.headers as RequestHeaders)
      // None of these routes streams.
      const answer = found.route.answer(found.request, requestContext) as Effect.Effect<
        RouteResponse,
        unknown
      >
      const known = isTraced ? undefined : immediateResponse(answer)
      if (known !== undefined) {
        send(response, known, end(requestContext, known.status))
        return true
      }
      const answered = Effect.catchCause(answer, (cause) => problem(requestContext, cause))
      const fiber = fork(isTraced ? traced(answered, found.request, requestContext) : answered)
      fiber.addObserver((exit) => {
        if (Exit.isFailure(exit)) response.destroy()
        else send(response, exit.value, end(requestContext, exit.value.status))
      })
      if (fiber.pollUnsafe() === undefined) response.on("close", () => fiber.interruptUnsafe())
      return true
    }
  }
)

/** The response of a handler that finished synchronously, from memory: it needs no fiber. */
const immediateResponse = (
  answer: Effect.Effect<RouteResponse, unknown>
): RouteResponse | undefined =>
  Exit.isExit(answer) && Exit.isSuccess(answer) ? (answer.value as RouteResponse) : undefined

/** Finds the route of a usual request; undefined for any other request. */
export const makeRouteFinder = (routes: ReadonlyArray<Route>) => {
  const usual = routes.filter(({ streams }) => !streams)
  const finders = new Map(
    ["GET", "POST", "DELETE"].map((method) => [
      method,
      makePathMatcher(
        usual.flatMap((route) => (route.method === method ? [[route.path, route]] : []))
      )
    ])
  )
  return (request: IncomingMessage): { route: Route; request: RouteRequest } | undefined => {
    const { headers, method, url } = request as IncomingMessage & { readonly url: string }
    if (headers["transfer-encoding"] !== undefined || headers.upgrade !== undefined) return
    const length = headers["content-length"]
    // Guard fast-path-body: without " || Number(…bodyLimit", fastPath.test "the library's way" fails.
    if (length !== undefined && (method !== "POST" || Number(length) > bodyLimit)) return
    const query = url.indexOf("?")
    const path = query < 0 ? url : url.slice(0, query)
    // Guard fast-path-plain: without it, fastPath.test "the library's way" fails.
    if (path.length > pathMax || !plainPath.test(path)) return
    const found = finders.get(method!)?.(path)
    if (found === undefined) return
    const routeRequest: RouteRequest = {
      headers: headers as RequestHeaders,
      repeated: repeatedIn(request.rawHeaders),
      params: found.params,
      search: query < 0 ? "" : url.slice(query + 1),
      hasBody: length !== undefined && Number(length) !== 0,
      // The length is known, and within the limit of every route.
      body: () => readBody(request)
    }
    return { route: found.value, request: routeRequest }
  }
}

const plainPath = /^[\w.:/-]+$/
// The router may refuse longer paths.
const pathMax = 1_024

const readBody = (request: IncomingMessage): Effect.Effect<Uint8Array, BodyFault> =>
  Effect.callback((resume) => {
    const chunks: Array<Buffer> = []
    request.on("data", (chunk: Buffer) => chunks.push(chunk))
    request.on("end", () =>
      resume(Effect.succeed(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)))
    )
    request.on("error", () => resume(Effect.fail<BodyFault>("broken off")))
  })

/**
 * Writes all responses of one turn of the event loop together at its end. Each write wakes the
 * process that reads the connection; if that process shares the machine, writing one by one costs
 * more than the rest of the response. No response is delayed beyond the turn.
 */
const makeSend = () => {
  let waiting: Array<() => void> = []
  const flush = () => {
    const answers = waiting
    waiting = []
    for (const answer of answers) answer()
  }
  return (
    response: ServerResponse,
    answered: RouteResponse,
    more: Readonly<Record<string, string>>
  ): void => {
    if (waiting.length === 0) setImmediate(flush)
    waiting.push(() => write(response, answered, more))
  }
}

const write = (
  response: ServerResponse,
  { status, headers, body }: RouteResponse,
  more: Readonly<Record<string, string>>
): void => {
  if (response.destroyed) return
  const lines: Array<string> = []
  for (const name in headers) lines.push(name, headers[name]!)
  for (const name in more) lines.push(name, more[name]!)
  const bytes = body === undefined ? 0 : Buffer.byteLength(body)
  if (body !== undefined) lines.push("content-length", String(bytes))
  response.writeHead(status, lines)
  // An ASCII text is the same in both encodings, and Node writes latin1 faster.
  response.end(body, bytes === body?.length ? "latin1" : "utf8")
}

/** A span like that of Effect's server: a child of the caller's span, without secrets. */
const traced = (
  answered: Effect.Effect<RouteResponse>,
  { headers }: RouteRequest,
  requestContext: RequestContext["Service"]
): Effect.Effect<RouteResponse> => {
  const parent = Option.getOrUndefined(HttpTraceContext.fromHeaders(Headers.fromInput(headers)))
  const named = Effect.tap(answered, ({ status }) =>
    Effect.annotateCurrentSpan({
      "http.route": requestContext.route,
      "http.response.status_code": status
    })
  )
  return Effect.withSpan(named, `http.server ${requestContext.method}`, {
    kind: "server",
    ...(parent !== undefined && { parent }),
    attributes: { "http.request.method": requestContext.method },
    captureStackTrace: false
  })
}
