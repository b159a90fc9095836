/** The API's reference: as a page to read, and as the OpenAPI document that tools read. */
import { Effect } from "effect"
import { HttpRouter } from "effect/http"
import { HttpApiScalar, OpenApi } from "effect/http-api"
import { Api, PublicApi } from "../api/api.ts"
import { RouteResponse } from "../http/message.ts"
import type { Route } from "../http/route.ts"

/** Both, saying that the paths of the API begin with a prefix. */
export const referenceRoutes = (hasAdmin: boolean, prefix: string): ReadonlyArray<Route> => {
  const described = hasAdmin ? Api : (PublicApi as unknown as typeof Api)
  const api = prefix === "" ? described : described.annotate(OpenApi.Servers, [{ url: prefix }])
  const json = { "content-type": "application/json" }
  const openapi = Effect.succeed(
    new RouteResponse(200, json, new TextEncoder().encode(JSON.stringify(OpenApi.fromApi(api))))
  )
  const page = once(
    async () => new RouteResponse(200, { "content-type": "text/html" }, await pageOf(api))
  )
  return [
    { method: "GET", path: "/openapi.json", streams: false, answer: () => openapi },
    { method: "GET", path: pagePath, streams: false, answer: page }
  ]
}

const pagePath = "/docs"

/** The library's page, which it can only answer a request with. */
const pageOf = async (api: typeof Api): Promise<Uint8Array> => {
  // Shown without a network as well.
  const options = { path: pagePath, scalar: { withDefaultFonts: false } } as const
  const routes = HttpApiScalar.layer(api, options)
  const { handler, dispose } = HttpRouter.toWebHandler(routes, { disableLogger: true })
  try {
    const response = await handler(new Request(`http://localhost${pagePath}`))
    return new Uint8Array(await response.arrayBuffer())
  } finally {
    await dispose()
  }
}

/**
 * Made for the first who asks, and the very same bytes for everybody: the page has megabytes, and
 * clients that ask for it again and again without reading it must not take that much each.
 */
const once = (make: () => Promise<RouteResponse>) => {
  let made: Effect.Effect<RouteResponse> | undefined
  let making: Promise<RouteResponse> | undefined
  const wait = Effect.promise(() => {
    making ??= make().finally(() => {
      making = undefined
    })
    return making
  })
  return (): Effect.Effect<RouteResponse> =>
    made ??
    Effect.tap(wait, (answered) =>
      Effect.sync(() => {
        made = Effect.succeed(answered)
      })
    )
}
