import { once } from "node:events"
import { type IncomingMessage, request } from "node:http"
import { buffer } from "node:stream/consumers"
import { Effect } from "effect"
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest"
import { RouteResponse } from "../src/http/message.ts"
import type { RequestRecord } from "../src/http/requestContext.ts"
import type { Route } from "../src/http/route.ts"
import { makeRouteFinder } from "../src/server/fastPath.ts"
import { type Answer, type Ask, enter, openHouse, startServer, type TestServer } from "./support.ts"

describe("which requests take the fast path", () => {
  const route = (method: string, path: Route["path"], streams = false): Route => ({
    method,
    path,
    streams,
    answer: () => Effect.succeed(new RouteResponse(200, {}, path))
  })
  const find = makeRouteFinder([
    route("GET", "/v1/shows"),
    route("GET", "/v1/shows/:showId"),
    route("GET", "/v1/shows/:showId/dates"),
    route("POST", "/v1/payments"),
    route("GET", "/v1/events", true)
  ])
  const ask = (method: string, url: string, headers: Record<string, string> = {}) =>
    find({ method, url, headers } as unknown as IncomingMessage)

  test.each([
    ["GET", "/v1/shows", {}, "/v1/shows", {}, ""],
    ["GET", "/v1/shows?limit=2&cursor=a%20b", {}, "/v1/shows", {}, "limit=2&cursor=a%20b"],
    ["GET", "/v1/shows/gala", {}, "/v1/shows/:showId", { showId: "gala" }, ""],
    ["GET", "/v1/shows/gala-1/dates", {}, "/v1/shows/:showId/dates", { showId: "gala-1" }, ""],
    ["POST", "/v1/payments", { "content-length": "2" }, "/v1/payments", {}, ""],
    ["POST", "/v1/payments", {}, "/v1/payments", {}, ""]
  ])("%s %s %o", (method, url, headers, path, params, search) => {
    const found = ask(method, url, headers as Record<string, string>)
    expect(found?.route.path).toBe(path)
    expect(found?.request).toMatchObject({
      params,
      search,
      hasBody: "content-length" in headers
    })
  })

  test.each([
    ["GET", "/v1/shows/%67ala", {}],
    ["GET", "/v1/shows/", {}],
    ["GET", "/v1/shows;a", {}],
    ["GET", "/v1/shows#a", {}],
    ["GET", "//v1/shows", {}],
    ["GET", "http://host/v1/shows", {}],
    ["GET", "/v1/nothing", {}],
    ["GET", "/v1/events", {}],
    ["GET", "/v1/shows", { "content-length": "2" }],
    ["GET", "/v1/shows", { upgrade: "websocket" }],
    ["HEAD", "/v1/shows", {}],
    ["PUT", "/v1/shows", {}],
    ["POST", "/v1/payments", { "content-length": "65537" }],
    ["POST", "/v1/payments", { "transfer-encoding": "chunked" }]
  ])("the library's way: %s %s %o", (method, url, headers) => {
    expect(ask(method, url, headers as Record<string, string>)).toBeUndefined()
  })
})

describe("both ways", () => {
  let server: TestServer
  const log: Array<RequestRecord> = []
  const talk: TestServer["talk"] = (...ask) => server.talk(...ask)
  beforeAll(async () => {
    server = await startServer({ routes: { onRequest: (record) => log.push(record) } })
    await openHouse(talk)
  })
  afterAll(() => server.stop())

  // These differ between two identical requests.
  const lasting = ({ status, headers, body }: Answer) => {
    const all = Object.fromEntries(headers)
    const { date, "x-request-id": id, connection: _, "keep-alive": __, ...same } = all
    expect(id).toMatch(/^[0-9a-f-]{36}$/)
    expect(date).toBeDefined()
    if (typeof body === "object" && "requestId" in body) {
      expect(body.requestId).toBe(id)
      return { status, same, body: { ...body, requestId: "" } }
    }
    return { status, same, body }
  }
  /** A body of unknown length, or one that is declared for a method without bodies. */
  const talkTheLongWay = async (method: string, path: string, ask: Ask): Promise<Answer> => {
    const body = ask.json === undefined ? ask.body : JSON.stringify(ask.json)
    const headers: Record<string, string> = {
      connection: "close",
      ...ask.headers,
      ...(ask.user !== undefined && { "x-user-id": ask.user }),
      ...(ask.token !== undefined && { "queue-token": ask.token }),
      ...(ask.key !== undefined && { "idempotency-key": ask.key }),
      ...(ask.json !== undefined && { "content-type": "application/json" }),
      ...(method === "POST" ? { "transfer-encoding": "chunked" } : { "content-length": "0" })
    }
    const sent = request(server.url + path, { method, headers })
    sent.end(body)
    const [response] = (await once(sent, "response")) as [IncomingMessage]
    const bytes = await buffer(response)
    const given = new Headers(response.headers as Record<string, string>)
    given.delete("connection")
    const text = bytes.toString()
    const isJson = /json/.test(given.get("content-type") ?? "") && text !== ""
    return { status: response.statusCode!, headers: given, body: isJson ? JSON.parse(text) : text }
  }
  const json = { performanceId: "gala-1", seatIds: ["A-1", "A-1"] }

  test.each<[string, string, Ask, number]>([
    ["GET", "/v1/shows", {}, 200],
    ["GET", "/v1/shows?limit=1", {}, 200],
    ["GET", "/v1/shows?limit=0&limit=1&x=%F0%9F%8E%9F", {}, 400],
    ["GET", "/v1/shows/gala/dates", {}, 200],
    ["GET", "/v1/shows/nope/dates", {}, 404],
    ["GET", "/v1/performances/gala-1/seats?status=all", {}, 200],
    ["GET", "/v1/performances/gala-1/seats", { headers: { "If-None-Match": "*" } }, 304],
    ["GET", "/v1/performances/gala-1/seats", { token: "forged" }, 401],
    ["GET", "/v1/wallet", { user: "" }, 401],
    ["GET", "/v1/wallet", {}, 200],
    ["POST", "/v1/wallet/charges", { json: {} }, 400],
    ["POST", "/v1/wallet/charges", { json: { amount: 1, currency: "KRW" } }, 400],
    ["POST", "/v1/wallet/charges", { body: "{", headers: { "Content-Type": "text/plain" } }, 400],
    [
      "POST",
      "/v1/wallet/charges",
      { key: "k", body: "{", headers: { "Content-Type": "text/plain" } },
      415
    ],
    ["POST", "/v1/wallet/charges", { key: "k", json: { amount: 1, currency: "KRW" } }, 201],
    ["POST", "/v1/reservations", { json }, 400],
    ["DELETE", "/v1/reservations/nope", {}, 404],
    ["GET", "/livez", {}, 200],
    ["GET", "/docs/errors/not_found", {}, 200],
    ["GET", "/docs/errors/nope", {}, 404]
  ])("%s %s %o is answered the same", async (method, path, ask, status) => {
    const { token } = await enter(talk, "ada")
    const as = { user: "ada", token, ...ask }
    // Both replay the first charge.
    if (status === 201) await talk(method, path, as)
    log.length = 0
    const answers = [await talk(method, path, as), await talkTheLongWay(method, path, as)]
    expect(lasting(answers[0]!)).toEqual(lasting(answers[1]!))
    expect(answers[0]!.status).toBe(status)
    const [direct, routed] = log.map(({ method, route, status }) => ({ method, route, status }))
    expect(direct).toEqual(routed)
  })

  test("a client that disconnects before the end of the body is not waited for", async () => {
    const { token } = await enter(talk, "ada")
    log.length = 0
    const sent = request(`${server.url}/v1/payments`, {
      method: "POST",
      headers: {
        "X-User-Id": "ada",
        "Queue-Token": token,
        "Content-Type": "application/json",
        "Content-Length": "100"
      }
    })
    sent.on("error", () => {})
    sent.write("{")
    await vi.waitFor(async () => expect((await talk("GET", "/livez")).status).toBe(200))
    sent.destroy()
    await vi.waitFor(async () => expect((await talk("GET", "/livez")).status).toBe(200))
    expect(log.every(({ route }) => route === "/livez")).toBe(true)
  })
})
