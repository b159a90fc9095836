/** Probes and metrics, for load balancers and monitoring. */
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { errors } from "./problem.ts"

export const SystemApi = HttpApiGroup.make("system")
  .add(
    HttpApiEndpoint.get("livez", "/livez", {
      success: Schema.Struct({ status: Schema.Literal("live") })
    }).annotateMerge(OpenApi.annotations({ summary: "Liveness: whether the process runs" })),
    HttpApiEndpoint.get("readyz", "/readyz", {
      success: Schema.Struct({ status: Schema.Literal("ready") }),
      error: errors("StoreUnavailable", "Draining")
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Readiness: whether to send requests to this server",
        description: "Ready if the store responds and the server is not shutting down."
      })
    ),
    HttpApiEndpoint.get("metrics", "/metrics", {
      success: Schema.String.pipe(
        HttpApiSchema.asText({ contentType: "text/plain; version=0.0.4; charset=utf-8" })
      )
    }).annotateMerge(OpenApi.annotations({ summary: "Metrics, for Prometheus" }))
  )
  .annotateMerge(OpenApi.annotations({ title: "System", description: "Probes and metrics" }))
