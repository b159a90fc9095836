/** Probes and metrics. */
import { BoxOfficeStore, StoreUnavailable } from "@boxoffice/core"
import { Effect } from "effect"
import { PrometheusMetrics } from "effect/observability"
import { Draining } from "../api/errors.ts"
import { SystemApi } from "../api/system.ts"
import { Drain } from "../http/drain.ts"
import { RouteResponse } from "../http/message.ts"
import { route } from "../http/route.ts"

const { livez, readyz, metrics } = SystemApi.endpoints

export const systemRoutes = Effect.gen(function* () {
  const store = yield* BoxOfficeStore
  const drain = yield* Drain
  const metricsNow = oncePerTurn(
    Effect.map(
      PrometheusMetrics.format(),
      (text) =>
        new RouteResponse(200, { ...asPrometheus, "cache-control": "no-store" }, utf8.encode(text))
    )
  )

  return [
    route(livez, () => Effect.succeed({ status: "live" as const })),

    route(readyz, () =>
      Effect.gen(function* () {
        if (drain.isDraining()) return yield* new Draining()
        // Guard ready-deadline: with `timeoutOrElse(store.ping, { duration: "60 seconds"` for `timeoutOrElse(…"2 seconds"`, readiness.test "never answers" fails.
        yield* Effect.timeoutOrElse(store.ping, {
          duration: "2 seconds",
          orElse: () =>
            Effect.fail(
              new StoreUnavailable({ retryable: true, cause: new Error("no answer within 2 s") })
            )
        }).pipe(
          // A probe tries again in any case, so the error is always reported as retryable.
          Effect.mapError(({ cause }) => new StoreUnavailable({ retryable: true, cause }))
        )
        return { status: "ready" as const }
      })
    ),

    route(metrics, () => metricsNow)
  ]
})

const utf8 = new TextEncoder()
const asPrometheus = { "content-type": "text/plain; version=0.0.4; charset=utf-8" }

/**
 * Computes a value once per turn of the event loop and shares it. One packet may carry hundreds of
 * requests, and formatting the metrics for each of them would block all other requests.
 */
const oncePerTurn = <A>(make: Effect.Effect<A>): Effect.Effect<A> => {
  let last: { readonly made: A } | undefined
  return Effect.suspend(() =>
    last !== undefined
      ? Effect.succeed(last.made)
      : Effect.tap(make, (made) =>
          Effect.sync(() => {
            last = { made }
            setImmediate(() => {
              last = undefined
            })
          })
        )
  )
}
