import { newCommandId } from "@boxoffice/core/store"
import { Cause, Effect, Layer } from "effect"
import { InternalError } from "../api/errors.ts"
import { problemContentType, toProblem } from "../api/problem.ts"
import { RouteResponse } from "../http/message.ts"
import { documentationPath } from "./errorPages.ts"
import { prefixOf, type RoutesOptions } from "./router.ts"

/** Logs why a layer cannot be built. */
export const logStartFailure = <A, E, R>(layer: Layer.Layer<A, E, R>): Layer.Layer<A, E, R> =>
  Layer.tapCause(layer, (cause) =>
    Cause.hasInterruptsOnly(cause)
      ? Effect.void
      : Effect.logError(`${startFailed}: every request gets internal_error`, cause)
  )

const startFailed = "the routes could not be made"

/** The response to every request while the routes could not start. */
export const startFailureResponse = (options: RoutesOptions): RouteResponse => {
  const requestId = newCommandId()
  const documentation = options.documentation ?? prefixOf(options) + documentationPath
  const { status, headers, body } = toProblem(new InternalError(), { requestId, documentation })
  Effect.runFork(
    Effect.logError(`${startFailed}: an earlier line says why`).pipe(
      Effect.annotateLogs({ requestId })
    )
  )
  const all = {
    "cache-control": "no-store",
    ...headers,
    "x-request-id": requestId,
    "content-type": problemContentType
  }
  return new RouteResponse(status, all, JSON.stringify(body))
}
