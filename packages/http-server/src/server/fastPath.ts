/**
 * The short way from Node's request to its response, for requests as clients usually send them.
 *
 * Effect's server and router take longer over a request than everything else it needs: decision 11
 * has the figures. They keep whatever is out of the ordinary, and so the last word on it: bodies
 * that are large or of no known length, escapes in paths, HEAD, streams, and what has no route.
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

/** Answers a request, or leaves it alone and says so by `false`. */
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

/** An answer that was had from memory: no fiber has to wait for it. */
const immediateResponse = (
  answer: Effect.Effect<RouteResponse, unknown>
): RouteResponse | undefined =>
  Exit.isExit(answer) && Exit.isSuccess(answer) ? (answer.value as RouteResponse) : undefined

/** Finds out whether a request is a usual one, and if so which route it is for. */
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
    if (length !== undefined && (method !== "POST" || Number(length) > bodyLimit)) return
    const query = url.indexOf("?")
    const path = query < 0 ? url : url.slice(0, query)
    if (path.length > pathMax || !plainPath.test(path)) return
    const found = finders.get(method!)?.(path)
    if (found === undefined) return
    const routeRequest: RouteRequest = {
      headers: headers as RequestHeaders,
      repeated: repeatedIn(request.rawHeaders),
      params: found.params,
      search: query < 0 ? "" : url.slice(query + 1),
      hasBody: length !== undefined && Number(length) !== 0,
      // Its length is known, and never more than any route takes.
      body: () => readBody(request)
    }
    return { route: found.value, request: routeRequest }
  }
}

const plainPath = /^[\w.:/-]+$/
// What is longer, the router may not take.
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
 * Answers of one turn of the event loop leave together at its end. Each write wakes whoever reads
 * at the other end; on a machine that the two share, one after another costs more than the rest of
 * the answer, and nobody waits longer for it.
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
  // A text of ASCII alone is the same in either encoding, and Node writes this one quicker.
  response.end(body, bytes === body?.length ? "latin1" : "utf8")
}

/** In a span like those that Effect's server makes, under the caller's, and without secrets. */
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
