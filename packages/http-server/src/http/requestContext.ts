/**
 * What every request gets, whatever it asks for: an id, a line in the log, a count in the metrics,
 * and a problem document where it failed.
 */
import { newCommandId } from "@boxoffice/core"
import { Cause, Context, Effect, Layer } from "effect"
import { InternalError } from "../api/errors.ts"
import { isKnownError, type KnownError, problemContentType, toProblem } from "../api/problem.ts"
import { Identities } from "./identity.ts"
import { type RequestHeaders, RouteResponse } from "./message.ts"
import { makeMeasure } from "./metrics.ts"

/** One request and its answer, while it lasts. */
export class RequestContext extends Context.Service<
  RequestContext,
  {
    /** The server's own: logs hold no other. */
    readonly requestId: string
    /** What the answer repeats: the client's own id for the request, where it sent one. */
    readonly repeatedId: string
    readonly method: string
    /** By a clock that is never set, in milliseconds. */
    readonly startedAt: number
    /** The pattern of the path, such as `/v1/shows/{showId}`: known once a route was found. */
    route: string
    /** Whether the answer is a recorded one. */
    replayed: boolean
    readonly identities: Identities["Service"]
  }
>()("@boxoffice/http-server/RequestContext") {}

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
export class RequestLifecycle extends Context.Service<
  RequestLifecycle,
  {
    readonly begin: (method: string, headers: RequestHeaders) => RequestContext["Service"]
    /** Counts and logs an answer of this status. Gives the headers that every answer has. */
    readonly end: (
      requestContext: RequestContext["Service"],
      status: number
    ) => Record<string, string>
    /** What a failure is answered with. Fails where nobody is there to be answered. */
    readonly problem: (
      requestContext: RequestContext["Service"],
      cause: Cause.Cause<unknown>
    ) => Effect.Effect<RouteResponse>
  }
>()("@boxoffice/http-server/RequestLifecycle") {
  static readonly layer = (options: {
    /** Where the page of an error is, but for its code. */
    readonly documentation: string
    /** Whether connections are no longer kept. */
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
            // The client is gone, or the server is going.
            if (Cause.hasInterruptsOnly(cause)) return Effect.failCause(cause as Cause.Cause<never>)
            const error = Cause.squash(cause)
            const known = isKnownError(error) ? error : undefined
            if (known !== undefined && !Object.hasOwn(logged, known._tag)) {
              return Effect.succeed(answer(requestContext, known))
            }
            // What the store refuses for good, it refuses again: nobody is told to try.
            const isFinal = known?._tag === "StoreUnavailable" && !known.retryable
            const told = known === undefined || isFinal ? new InternalError() : known
            return Effect.logError(known ? logged[known._tag] : "defect", cause).pipe(
              Effect.annotateLogs({
                requestId: requestContext.requestId,
                route: requestContext.route
              }),
              Effect.map(() => answer(requestContext, told))
            )
          }
        })
      })
    )
}

/** What an operator has to look into, and how it is called in the log. */
const logged: Readonly<Record<string, string>> = {
  StoreUnavailable: "store unavailable",
  PolicyFailed: "policy failed"
}

const requestIdPattern = /^[\x21-\x7e]{1,128}$/
const unmatchedRoute = "none"
