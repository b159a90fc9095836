/** The reference of the API: an HTML page, and the OpenAPI document for tools. */
import { Effect } from "effect"
import { HttpRouter } from "effect/http"
import { HttpApiScalar, OpenApi } from "effect/http-api"
import { Api, PublicApi } from "../api/api.ts"
import { RouteResponse } from "../http/message.ts"
import type { Route } from "../http/route.ts"

/** The routes of both. Their server URL is the prefix, if there is one. */
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

/** Renders the library's page by a request, since the library offers no other way. */
const pageOf = async (api: typeof Api): Promise<Uint8Array> => {
  // Default fonts are off, so that the page also works without a network.
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
 * Renders a response for the first request, and keeps it for as long as the routes exist: later
 * requests share the same bytes. The page has megabytes, and clients that request it repeatedly
 * without reading it must not hold a copy each. A failed rendering is not kept.
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
