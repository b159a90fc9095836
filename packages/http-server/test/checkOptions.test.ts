import { once } from "node:events"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { format } from "node:util"
import { Effect, Layer, Redacted } from "effect"
import { afterEach, beforeEach, expect, test, vi } from "vitest"
import { type RoutesOptions, toNodeHandler, toWebHandler } from "../src/index.ts"
import type { Services } from "../src/server/router.ts"

const services = Layer.effectDiscard(Effect.die("no database")) as Layer.Layer<Services>
const usual = { identity: { mode: "header" }, charges: "user" }
const jwt = (more: object) => ({ ...usual, identity: { mode: "jwt", ...more } })
const secret = Redacted.make("a secret of at least thirty-two bytes")

const said: Array<string> = []
beforeEach(() => {
  said.length = 0
  for (const method of ["log", "error"] as const) {
    vi.spyOn(console, method).mockImplementation((...line) => void said.push(format(...line)))
  }
})
afterEach(() => vi.restoreAllMocks())

test.each<[string, unknown]>([
  ["options", undefined],
  ["identity", { charges: "user" }],
  ["identity", { ...usual, identity: { mode: "cookie" } }],
  ["identity.userOf", { ...usual, identity: { mode: "host" } }],
  ["identity.keys", jwt({})],
  ["identity.keys", jwt({ keys: { jwksUrl: "https://issuer.example/jwks.json" } })],
  ["identity.keys.jwksUrl", jwt({ keys: { jwksUrl: new URL("http://issuer.example/") } })],
  ["identity.keys.secret", jwt({ keys: { secret: "a secret of at least thirty-two bytes" } })],
  ["identity.keys.secret", jwt({ keys: { secret: Redacted.make("short") } })],
  ["identity.issuer", jwt({ keys: { secret }, issuer: "" })],
  ["identity.audience", jwt({ keys: { secret }, audience: ["tickets"] })],
  ["charges", { identity: usual.identity }],
  ["charges", { ...usual, charges: "nobody" }],
  ["adminToken", { ...usual, charges: "operator" }],
  ["adminToken", { ...usual, adminToken: " " }],
  ["adminToken", { ...usual, adminToken: 1 }],
  ["serviceToken", { ...usual, serviceToken: null }],
  ["serviceToken", { ...usual, serviceToken: Redacted.make(1) }],
  ["prefix", { ...usual, prefix: 1 }],
  ["heartbeatSeconds", { ...usual, heartbeatSeconds: 0 }],
  ["streamsPerUser", { ...usual, streamsPerUser: "10" }],
  ["onRequest", { ...usual, onRequest: "log" }]
])("a host is told of its mistake in %s when it makes a handler", (name, given) => {
  const options = given as RoutesOptions
  for (const make of [toNodeHandler, toWebHandler]) {
    expect(() => make(options, services)).toThrow(TypeError)
    expect(() => make(options, services)).toThrow(name)
  }
})

test("routes that cannot be made are a problem document, and the log says why", async () => {
  const options = { ...usual, prefix: "/tickets" } as RoutesOptions
  const node = toNodeHandler(options, services)
  const server = createServer((...requestContext) => node.handler(...requestContext))
  await once(server.listen(0, "127.0.0.1"), "listening")
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/tickets/v1/shows`
  const web = toWebHandler(options, services)
  for (const response of [await fetch(url), await web.handler(new Request(url))]) {
    expect(response.status).toBe(500)
    expect(response.headers.get("content-type")).toBe("application/problem+json")
    const { code, requestId, type } = await response.json()
    expect([code, type]).toEqual(["internal_error", "/tickets/docs/errors/internal_error"])
    expect(response.headers.get("x-request-id")).toBe(requestId)
    expect(said.join("\n")).toContain(requestId)
  }
  expect(said.filter((line) => line.includes("no database"))).toHaveLength(2)
  await node.dispose()
  await web.dispose()
  server.close()
})
