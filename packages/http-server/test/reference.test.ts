import { Effect, Exit } from "effect"
import { expect, test } from "vitest"
import type { RouteRequest, RouteResponse } from "../src/http/message.ts"
import type { RequestContext } from "../src/http/requestContext.ts"
import { referenceRoutes } from "../src/server/reference.ts"
import { startServer } from "./support.ts"

test.each(["/docs", "/openapi.json"])(
  "%s is made once, and is the same bytes for everybody: it is too much to make for each",
  async (path) => {
    const route = referenceRoutes(true, "").find((route) => route.path === path)!
    const ask = () =>
      route.answer(
        {} as RouteRequest,
        {} as RequestContext["Service"]
      ) as Effect.Effect<RouteResponse>
    const [first, second] = await Promise.all([Effect.runPromise(ask()), Effect.runPromise(ask())])
    expect(first!.body).toBeInstanceOf(Uint8Array)
    expect(second!.body).toBe(first!.body)
    const third: unknown = ask()
    expect(Exit.isExit(third) && Effect.runSync(third)).toMatchObject({ status: 200 })
  }
)

test("the page says what the API is, as HTML, and only at its own path", async () => {
  await using server = await startServer()
  const page = await server.talk("GET", "/docs")
  expect([page.status, page.headers.get("content-type")]).toEqual([200, "text/html"])
  expect(page.body).toMatch(/^<!doctype html>[\s\S]+createApiReference[\s\S]+\/v1\/admin\//)
  expect((await server.talk("GET", "/Docs")).body.code).toBe("not_found")
  expect((await server.talk("POST", "/docs")).headers.get("allow")).toBe("GET, HEAD")
  const head = await server.talk("HEAD", "/docs")
  expect([head.status, head.headers.get("content-length")]).toEqual([
    200,
    page.headers.get("content-length")
  ])
})
