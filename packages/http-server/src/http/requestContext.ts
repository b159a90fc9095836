/**
 * One request from its start to its response: its ids, its log line, its metrics, and the problem that
 * a failure becomes. Every route goes through it, by the fast path and by Effect's router.
 */
import { newCommandId } from "@boxoffice/core/store"
import { Cause, Context, Effect, Layer } from "effect"
import { InternalError } from "../api/errors.ts"
import { isKnownError, type KnownError, problemContentType, toProblem } from "../api/problem.ts"
import { Identities } from "./identity.ts"
import { type RequestHeaders, RouteResponse } from "./message.ts"
import { makeMeasure } from "./metrics.ts"

/** The state of one request, from its start until its response is sent. */
export class RequestContext extends Context.Service<
  RequestContext,
  {
    /** The id that the server assigned: the only one in the logs. */
    readonly requestId: string
    /** The id in the response: the client's own X-Request-Id if it sent a valid one. */
    readonly repeatedId: string
    readonly method: string
    /** By a monotonic clock, in milliseconds. */
    readonly startedAt: number
    /**
     * The pattern of the path, such as `/v1/shows/{showId}`: set once the router has found a route.
     */
    route: string
    /** Whether the response is a recorded one. */
    replayed: boolean
    readonly identities: Identities["Service"]
  }
>()("@boxoffice/http-server/RequestContext") {}

/** The log line of a request. It contains nothing that the client sent, except for the method. */
export interface RequestRecord {
  readonly time: string
  readonly requestId: string
  readonly method: string
  readonly route: string
  readonly status: number
  readonly ms: number
}

/** The begin, the end and the failure of a request. */
export class RequestLifecycle extends Context.Service<
  RequestLifecycle,
  {
    readonly begin: (method: string, headers: RequestHeaders) => RequestContext["Service"]
    /** Measures and logs the response, and returns the headers that every response has. */
    readonly end: (
      requestContext: RequestContext["Service"],
      status: number
    ) => Record<string, string>
    /** The response for a failure. Fails if the request was interrupted: no client is left. */
    readonly problem: (
      requestContext: RequestContext["Service"],
      cause: Cause.Cause<unknown>
    ) => Effect.Effect<RouteResponse>
  }
>()("@boxoffice/http-server/RequestLifecycle") {
  static readonly layer = (options: {
    /** The URL of the error pages; an error's code is appended. */
    readonly documentation: string
    /** Whether the server is shutting down, and so closes connections after a response. */
    readonly isDraining: () => boolean
    readonly onRequest: ((record: RequestRecord) => void) | undefined
  }): Layer.Layer<RequestLifecycle, never, Identities> =>
    Layer.effect(
      RequestLifecycle,
      Effect.gen(function* () {
        const identities = yield* Identities
        const measure = yield* makeMeasure
        const { documentation, isDraining, onRequest } = options

        const answer = (
          { requestId }: RequestContext["Service"],
          error: KnownError
        ): RouteResponse => {
          const { status, headers, body } = toProblem(error, { requestId, documentation })
          const all = {
            "cache-control": "no-store",
            ...headers,
            "content-type": problemContentType
          }
          return new RouteResponse(status, all, JSON.stringify(body))
        }
        return RequestLifecycle.of({
          begin: (method, headers) => {
            const given = headers["x-request-id"]
            const requestId = newCommandId()
            return {
              requestId,
              repeatedId: given !== undefined && requestIdPattern.test(given) ? given : requestId,
              method,
              startedAt: performance.now(),
              route: unmatchedRoute,
              replayed: false,
              identities
            }
          },
          end: ({ requestId, repeatedId, method, startedAt, route, replayed }, status) => {
            const ms = performance.now() - startedAt
            measure(method, route, status, ms)
            onRequest?.({
              time: new Date().toISOString(),
              requestId,
              method,
              route,
              status,
              ms: Math.round(ms * 1_000) / 1_000
            })
            const headers: Record<string, string> = { "x-request-id": repeatedId }
            if (isDraining()) headers.connection = "close"
            if (replayed) headers["idempotency-replayed"] = "true"
            return headers
          },
          problem: (requestContext, cause) => {
            // The client has disconnected, or the server is shutting down.
            if (Cause.hasInterruptsOnly(cause)) return Effect.failCause(cause as Cause.Cause<never>)
            const error = Cause.squash(cause)
            const known = isKnownError(error) ? error : undefined
            if (known !== undefined && !Object.hasOwn(logged, known._tag)) {
              return Effect.succeed(answer(requestContext, known))
            }
            // A permanent refusal of the store must not be reported as "try again".
            const isFinal = known?._tag === "StoreUnavailable" && !known.retryable
            const shown = known === undefined || isFinal ? new InternalError() : known
            return Effect.logError(known ? logged[known._tag] : "defect", cause).pipe(
              Effect.annotateLogs({
                requestId: requestContext.requestId,
                route: requestContext.route
              }),
              Effect.map(() => answer(requestContext, shown))
            )
          }
        })
      })
    )
}

/** Errors that an operator has to investigate, with the message of their log line. */
const logged: Readonly<Record<string, string>> = {
  StoreUnavailable: "store unavailable",
  PolicyFailed: "policy failed"
}

const requestIdPattern = /^[\x21-\x7e]{1,128}$/
const unmatchedRoute = "none"
