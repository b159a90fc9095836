/**
 * What every request gets, whatever it asks for: an id, a line in the log, a count in the metrics,
 * and a problem document where it failed.
 */
import { newCommandId } from "@boxoffice/core"
import { Cause, Context, Effect, type Layer, Metric, type Types } from "effect"
import { HttpRouter, HttpServerError, HttpServerRequest, HttpServerResponse } from "effect/http"
import { InternalError, MethodNotAllowed, RouteUnknown } from "./api/errors.ts"
import type { Identities } from "./identity.ts"
import { isKnownError, type KnownError, problemContentType, toProblem } from "./problem.ts"

/** One request and its answer, while it lasts. */
export class Exchange extends Context.Service<
  Exchange,
  {
    readonly requestId: string
    /** The pattern of the path, such as `/v1/shows/{showId}`: known once a route was found. */
    route: string
    /** Whether the answer is a recorded one. */
    replayed: boolean
    readonly identities: Identities["Service"]
  }
>()("@boxoffice/http-server/Exchange") {}

/** What is logged of a request. It holds nothing that a client sent but its method. */
export interface RequestRecord {
  readonly time: string
  readonly requestId: string
  readonly method: string
  readonly route: string
  readonly status: number
  readonly ms: number
}

/** What the server does with every request. */
export class ExchangeSettings extends Context.Service<
  ExchangeSettings,
  {
    readonly identities: Identities["Service"]
    /** Where the page of an error is, but for its code. */
    readonly documentation: string
    /** Whether connections are no longer kept. */
    readonly isDraining: () => boolean
    readonly onRequest: ((record: RequestRecord) => void) | undefined
    /** The methods of a path, for those who use another. */
    readonly methodsOf: (path: string) => ReadonlyArray<string>
  }
>()("@boxoffice/http-server/ExchangeSettings") {}

type Response = HttpServerResponse.HttpServerResponse

const sane = /^[\x21-\x7e]{1,128}$/
const noRoute = "none"

/** Wraps every route, those that do not exist included. */
export const layerExchange: Layer.Layer<never, never, HttpRouter.HttpRouter | ExchangeSettings> =
  HttpRouter.use((router) =>
    Effect.gen(function* () {
      const settings = yield* ExchangeSettings
      const measure = yield* makeMeasure
      // Whatever fails is answered here, but routes may fail: the router is told that they still do.
      yield* router.addGlobalMiddleware(
        (effect): Effect.Effect<Response, Types.unhandled> =>
          Effect.withFiber((fiber) => {
            const request = Context.getUnsafe(fiber.context, HttpServerRequest.HttpServerRequest)
            const started = performance.now()
            const given = request.headers["x-request-id"]
            const requestId = given !== undefined && sane.test(given) ? given : newCommandId()
            const { identities } = settings
            const exchange = { requestId, route: noRoute, replayed: false, identities }

            const finish = (response: Response) => {
              const ms = performance.now() - started
              measure(request.method, exchange.route, response.status, ms)
              settings.onRequest?.({
                time: new Date().toISOString(),
                requestId,
                method: request.method,
                route: exchange.route,
                status: response.status,
                ms: Math.round(ms * 1_000) / 1_000
              })
              const headers: Record<string, string> = { "x-request-id": requestId }
              if (settings.isDraining()) headers.connection = "close"
              if (exchange.replayed) headers["idempotency-replayed"] = "true"
              return HttpServerResponse.setHeaders(response, headers)
            }
            const fail = (error: KnownError) => {
              const { status, headers, body } = toProblem(error, {
                requestId,
                documentation: settings.documentation
              })
              return finish(
                HttpServerResponse.text(JSON.stringify(body), {
                  status,
                  headers: { "cache-control": "no-store", ...headers },
                  contentType: problemContentType
                })
              )
            }
            const answered = Effect.matchCauseEffect(effect, {
              onSuccess: (response) => Effect.succeed(finish(response)),
              onFailure: (cause) => {
                // The client is gone, or the server is going: nobody is there to be answered.
                if (Cause.hasInterruptsOnly(cause))
                  return Effect.failCause(cause as Cause.Cause<never>)
                const error = knownErrorOf(cause, request, settings.methodsOf)
                if (error === undefined || Object.hasOwn(logged, error._tag)) {
                  return Effect.logError(error ? logged[error._tag] : "defect", cause).pipe(
                    Effect.annotateLogs({ requestId, route: exchange.route }),
                    Effect.map(() => fail(error ?? new InternalError()))
                  )
                }
                return Effect.succeed(fail(error))
              }
            })
            return Effect.provideService(answered, Exchange, exchange)
          })
      )
    })
  )

/** What an operator has to look into, and how it is called in the log. */
const logged: Readonly<Record<string, string>> = {
  StoreUnavailable: "store unavailable",
  PolicyFailed: "policy failed"
}

const knownErrorOf = (
  cause: Cause.Cause<unknown>,
  request: HttpServerRequest.HttpServerRequest,
  methodsOf: (path: string) => ReadonlyArray<string>
): KnownError | undefined => {
  const error = Cause.squash(cause)
  if (isKnownError(error)) return error
  if (HttpServerError.isHttpServerError(error) && error.reason._tag === "RouteNotFound") {
    const allow = methodsOf(request.url.split("?", 1)[0]!)
    return allow.length > 0 ? new MethodNotAllowed({ allow }) : new RouteUnknown()
  }
  return undefined
}

const requests = "boxoffice_http_requests_total"
const durations = "boxoffice_http_request_duration_seconds"
const boundaries = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
const methods = new Set(["GET", "HEAD", "POST", "PATCH", "DELETE", "PUT", "OPTIONS"])

const makeMeasure = Effect.contextWith((context: Context.Context<never>) =>
  Effect.sync(() => {
    const known = new Map<string, (ms: number) => void>()
    return (method: string, route: string, status: number, ms: number): void => {
      const key = `${method} ${route} ${status}`
      let record = known.get(key)
      if (record === undefined) {
        // Anybody can think up a method; a label must not grow with it.
        const attributes = { method: methods.has(method) ? method : "other", route }
        const count = Metric.counter(requests, {
          description: "Requests answered",
          attributes: { ...attributes, status: String(status) },
          incremental: true
        })
        const duration = Metric.histogram(durations, {
          description: "Time to the head of the answer",
          attributes,
          boundaries
        })
        record = (ms) => {
          count.updateUnsafe(1, context)
          duration.updateUnsafe(ms / 1_000, context)
        }
        if (methods.has(method)) known.set(key, record)
      }
      record(ms)
    }
  })
)
