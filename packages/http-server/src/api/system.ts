/** What the machines around a server ask it. */
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { errors } from "./problem.ts"

export const SystemApi = HttpApiGroup.make("system")
  .add(
    HttpApiEndpoint.get("livez", "/livez", {
      success: Schema.Struct({ status: Schema.Literal("live") })
    }).annotateMerge(OpenApi.annotations({ summary: "Whether the process runs" })),
    HttpApiEndpoint.get("readyz", "/readyz", {
      success: Schema.Struct({ status: Schema.Literal("ready") }),
      error: errors("StoreUnavailable", "Draining")
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Whether to send requests here",
        description: "The store answers, and the server is not shutting down."
      })
    ),
    HttpApiEndpoint.get("metrics", "/metrics", {
      success: Schema.String.pipe(
        HttpApiSchema.asText({ contentType: "text/plain; version=0.0.4; charset=utf-8" })
      )
    }).annotateMerge(OpenApi.annotations({ summary: "Metrics, for Prometheus" }))
  )
  .annotateMerge(
    OpenApi.annotations({ title: "System", description: "What the machines around ask" })
  )
