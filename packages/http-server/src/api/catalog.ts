/** Shows, dates and seats: APIs 2 and 3. */
import { AvailableDates, SeatMap, Show } from "@boxoffice/core/schema"
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { faults, gate, PathId, page, pageOf, queueToken } from "./common.ts"
import { Identity } from "./identity.ts"
import { errors } from "./problem.ts"

/** Which seats of the map the client wants. */
export const SeatsFilter = Schema.Literals(["available", "all"])

export const CatalogApi = HttpApiGroup.make("catalog")
  .add(
    HttpApiEndpoint.get("shows", "/v1/shows", {
      query: page,
      success: pageOf(Show),
      error: faults
    }).annotateMerge(OpenApi.annotations({ summary: "List the shows" })),
    HttpApiEndpoint.get("show", "/v1/shows/:showId", {
      params: { showId: PathId },
      success: Show,
      error: [...errors("ShowNotFound"), ...faults]
    }).annotateMerge(OpenApi.annotations({ summary: "Get a show" })),
    HttpApiEndpoint.get("dates", "/v1/shows/:showId/dates", {
      params: { showId: PathId },
      headers: queueToken,
      success: AvailableDates,
      error: [...gate, ...errors("ShowNotFound"), ...faults]
    }).annotateMerge(
      OpenApi.annotations({
        summary: "List the dates that have a bookable seat",
        description: "Grouped by the local date of each performance."
      })
    ),
    HttpApiEndpoint.get("seats", "/v1/performances/:performanceId/seats", {
      params: { performanceId: PathId },
      query: {
        status: Schema.optionalKey(SeatsFilter).annotate({
          description:
            "`all` returns every seat; the default, `available`, those that can be booked"
        })
      },
      headers: { ...queueToken, "If-None-Match": Schema.optionalKey(Schema.String) },
      success: [SeatMap, HttpApiSchema.Empty(304)],
      error: [...gate, ...errors("PerformanceNotFound"), ...faults]
    }).annotateMerge(
      OpenApi.annotations({
        summary: "List the seats of a performance",
        description: "Responds 304 without a body if If-None-Match names the current ETag."
      })
    )
  )
  .middleware(Identity)
  .annotateMerge(OpenApi.annotations({ title: "Catalog", description: "Shows, dates and seats" }))
