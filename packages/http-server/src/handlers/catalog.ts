/** APIs 2 and 3: shows, dates and seats. */
import { Catalog } from "@boxoffice/core"
import { ShowId } from "@boxoffice/core/schema"
import { Effect } from "effect"
import { CatalogApi } from "../api/catalog.ts"
import { pagesOf } from "../http/pageCursor.ts"
import { Reply, route } from "../http/route.ts"

const endpoints = CatalogApi.endpoints
const showPages = pagesOf(ShowId)

export const catalogRoutes = Effect.gen(function* () {
  const catalog = yield* Catalog

  return [
    route(endpoints.shows, ({ query }) => showPages(query, catalog.shows)),

    route(endpoints.show, ({ params }) => catalog.show(params.showId)),

    route(endpoints.dates, ({ userId, queueToken, params }) =>
      Effect.map(
        catalog.availableDates({ userId, queueToken, showId: params.showId }),
        (dates) => new Reply(dates, { shared: true })
      )
    ),

    route(endpoints.seats, ({ userId, queueToken, params, query, headers }) =>
      Effect.map(
        catalog.availableSeats({
          userId,
          queueToken,
          performanceId: params.performanceId,
          status: query.status
        }),
        (map) => {
          const etag = `"${map.version}-${query.status ?? "available"}"`
          const known = { etag, "cache-control": "private, no-cache" }
          return isCurrent(headers["if-none-match"], etag)
            ? new Reply(undefined, { status: 304, headers: known })
            : new Reply(map, { headers: known, shared: true })
        }
      )
    )
  ]
})

/** Whether `If-None-Match` names a tag, by the weak comparison of RFC 9110. */
const isCurrent = (header: string | undefined, etag: string): boolean =>
  (header ?? "").split(",").some((part) => {
    const tag = part.trim()
    return tag === "*" || tag.replace(/^W\//, "") === etag
  })
