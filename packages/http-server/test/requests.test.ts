import { connect } from "node:net"
import { Readable } from "node:stream"
import { text } from "node:stream/consumers"
import { newCommandId } from "@boxoffice/core/store"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import type { RequestRecord } from "../src/http/requestContext.ts"
import { enter, join, openHouse, startServer, type TestServer } from "./support.ts"

let server: TestServer
let token: string
const user = "ada"
const log: Array<RequestRecord> = []
const talk: TestServer["talk"] = (...ask) => server.talk(...ask)

beforeAll(async () => {
  server = await startServer({ routes: { onRequest: (record) => log.push(record) } })
  await openHouse(talk)
  token = await join(talk, user)
})
afterAll(() => server.stop())

const json = { "Content-Type": "application/json" }
const charges = "/v1/wallet/charges"
const paths = (answer: { body: { errors: ReadonlyArray<{ path: string }> } }) =>
  answer.body.errors.map(({ path }) => path).sort()

describe("bodies", () => {
  test.each([
    ["nothing", ""],
    ["no JSON", "{"],
    ["no object", "[]"],
    ["null", "null"],
    ["a name twice", '{"amount":1,"currency":"KRW","amount":2}'],
    ["a name twice, once escaped", '{"amount":1,"currency":"KRW","am\\u006funt":2}'],
    ["a float", '{"amount":1.5,"currency":"KRW"}'],
    ["a text", '{"amount":"1","currency":"KRW"}'],
    ["zero", '{"amount":0,"currency":"KRW"}'],
    ["less than zero", '{"amount":-1,"currency":"KRW"}'],
    ["more than 2^53-1", '{"amount":9007199254740992,"currency":"KRW"}'],
    ["infinity", '{"amount":1e999,"currency":"KRW"}'],
    ["another field", '{"amount":1,"currency":"KRW","user":"eve"}'],
    ["__proto__", '{"amount":1,"currency":"KRW","__proto__":{}}'],
    ["a currency that is none", '{"amount":1,"currency":"won"}']
  ])("%s is refused", async (_, body) => {
    const answer = await talk("POST", charges, { user, token, key: "k", body, headers: json })
    expect(answer).toMatchObject({ status: 400, body: { code: "request_invalid" } })
    expect(answer.body.errors.length).toBeGreaterThan(0)
  })

  test("what is not UTF-8 is refused", async () => {
    const body = new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])
    const answer = await talk("POST", charges, { user, token, key: "k", body, headers: json })
    expect(answer).toMatchObject({ status: 400, body: { errors: [{ message: "expected UTF-8" }] } })
  })

  test("seats: none, the same twice, or too many", async () => {
    const ada = await enter(talk, user)
    for (const seatIds of [[], ["A-1", "A-1"], Array.from({ length: 201 }, (_, i) => `S-${i}`)]) {
      expect(paths(await ada.hold(seatIds))).toEqual(["seatIds"])
    }
  })

  test.each([
    ["none", undefined],
    ["text", "text/plain"],
    ["a form", "application/x-www-form-urlencoded"],
    ["another charset", "application/json; charset=latin1"]
  ])("the type must be JSON, not %s", async (_, type) => {
    const answer = await talk("POST", charges, {
      user,
      token,
      key: "k",
      body: new TextEncoder().encode('{"amount":1,"currency":"KRW"}'),
      headers: type === undefined ? {} : { "Content-Type": type }
    })
    expect(answer).toMatchObject({ status: 415, body: { code: "unsupported_media_type" } })
  })

  test("JSON with a charset, or of a kind, is JSON", async () => {
    for (const type of ["application/json; charset=UTF-8", "application/merge-patch+json"]) {
      const answer = await talk("POST", charges, {
        user,
        token,
        key: `k${type.length}`,
        body: '{"amount":1,"currency":"KRW"}',
        headers: { "Content-Type": type }
      })
      expect(answer.status).toBe(201)
    }
  })

  test("a refusal is no longer than what it refuses, whatever the names in it", async () => {
    const name = "x".repeat(20_000)
    for (const body of [`{"${name}":1}`, `{"${name}":1,"${name}":2}`]) {
      const answer = await talk("POST", charges, { user, token, key: "k", body, headers: json })
      expect(answer).toMatchObject({ status: 400, body: { code: "request_invalid" } })
      expect(paths(answer)).toContain(`${"x".repeat(100)}…`)
      expect(JSON.stringify(answer.body).length).toBeLessThan(1_000)
    }
    const query = await talk("GET", `/v1/shows?${"y".repeat(5_000)}=1`, { user })
    expect(paths(query)).toEqual([`${"y".repeat(100)}…`])
  })

  test("a compressed body is not taken for what it is not", async () => {
    const headers = { ...json, "Content-Encoding": "gzip" }
    const answer = await talk("POST", charges, { user, token, key: "k", body: "{}", headers })
    expect(answer.status).toBe(415)
  })

  test("a body without a length is bounded as well", async () => {
    const endless = new ReadableStream({
      pull: (controller) => controller.enqueue(new Uint8Array(16 * 1024).fill(0x20))
    })
    const answer = await talk("POST", charges, {
      user,
      token,
      key: "k",
      body: endless,
      headers: json
    })
    expect(answer).toMatchObject({ status: 413, body: { code: "body_too_large" } })
  })

  test("where none is asked for, none or an empty object is taken", async () => {
    for (const ask of [{}, { headers: json }, { json: {} }]) {
      expect((await talk("POST", "/v1/queues/main/token", { user, ...ask })).status).toBe(200)
    }
    for (const body of ["[]", "1", '{"a":1}', "x"]) {
      const answer = await talk("POST", "/v1/queues/main/token", { user, body, headers: json })
      expect(answer).toMatchObject({ status: 400, body: { code: "request_invalid" } })
    }
  })
})

describe("queries", () => {
  test("unknown parameters are refused", async () => {
    expect(paths(await talk("GET", "/v1/shows?limit=1&foo=1", { user }))).toEqual(["foo"])
    expect(paths(await talk("GET", "/v1/shows/gala?foo=1", { user }))).toEqual(["foo"])
    expect(paths(await talk("POST", "/v1/queues/main/token?foo=1", { user }))).toEqual(["foo"])
    const seats = "/v1/performances/gala-1/seats"
    expect(paths(await talk("GET", `${seats}?status=sold`, { user, token }))).toEqual(["status"])
  })

  test.each(["0", "201", "1.5", "-1", "", "x", "1e1", "0x10", "%2B5", "1&limit=2"])(
    "limit=%s is refused",
    async (limit) => {
      expect(paths(await talk("GET", `/v1/shows?limit=${limit}`, { user }))).toEqual(["limit"])
    }
  )

  test("an instant that no store holds is no cursor", async () => {
    for (const heldAt of [2 ** 53 - 1, -(2 ** 53 - 1), -8.64e15]) {
      const after = { heldAt, reservationId: "0198c7b2-0000-7000-8000-000000000000" }
      const cursor = Buffer.from(JSON.stringify(after)).toString("base64url")
      const answer = await talk("GET", `/v1/reservations?cursor=${cursor}`, { user })
      expect([answer.status, paths(answer)]).toEqual([400, ["cursor"]])
    }
  })

  test.each(["", "x", "bnVsbA", "eyJhIjoxfQ", "%00"])("cursor=%s is refused", async (cursor) => {
    for (const path of ["/v1/shows", "/v1/reservations", "/v1/wallet/entries"]) {
      expect(paths(await talk("GET", `${path}?cursor=${cursor}`, { user }))).toEqual(["cursor"])
    }
  })

  test.each([
    { heldAt: 1e15, reservationId: newCommandId() },
    { heldAt: Number.MAX_SAFE_INTEGER, reservationId: newCommandId() },
    { heldAt: -1, reservationId: newCommandId() },
    { heldAt: 1e300, reservationId: newCommandId() },
    { heldAt: 0, reservationId: "x" },
    { heldAt: 0, reservationId: newCommandId(), userId: "eve" }
  ])("a cursor of no page of reservations is refused: %o", async (where) => {
    const cursor = Buffer.from(JSON.stringify(where)).toString("base64url")
    const answer = await talk("GET", `/v1/reservations?cursor=${cursor}`, { user })
    expect([answer.status, answer.body.code, paths(answer)]).toEqual([
      400,
      "request_invalid",
      ["cursor"]
    ])
  })

  test("lists come page by page", async () => {
    const ada = await enter(talk, "reader")
    for (const seat of ["A-1", "A-2", "A-3"]) await ada.hold([seat])
    const seen: Array<string> = []
    let cursor = ""
    do {
      const { body } = await ada.get(`/v1/reservations?limit=2${cursor}`)
      expect(body.items.length).toBeLessThanOrEqual(2)
      for (const { seats } of body.items) seen.push(seats[0].seatId)
      cursor = body.nextCursor && `&cursor=${body.nextCursor}`
    } while (cursor)
    expect(seen).toEqual(["A-3", "A-2", "A-1"])
    for (const key of ["1", "2", "3"]) await ada.charge(1, key)
    const first = await ada.get("/v1/wallet/entries?limit=2")
    expect(first.body.items).toHaveLength(2)
    const second = await ada.get(`/v1/wallet/entries?limit=2&cursor=${first.body.nextCursor}`)
    expect(second.body).toMatchObject({ items: [{ balance: { amount: 1 } }], nextCursor: null })
  })
})

describe("headers", () => {
  test("an answer repeats the request's id, if it is sane; the log has its own", async () => {
    log.length = 0
    const given = await talk("GET", "/livez", { headers: { "X-Request-Id": "trace-1" } })
    expect(given.headers.get("x-request-id")).toBe("trace-1")
    for (const id of ["x".repeat(129), "with space", "ünïcode"]) {
      const { headers } = await talk("GET", "/livez", { headers: { "X-Request-Id": id } })
      expect(headers.get("x-request-id")).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/)
    }
    const refused = await talk("GET", "/nothing", { headers: { "X-Request-Id": "trace-2" } })
    expect(refused.headers.get("x-request-id")).toBe("trace-2")
    expect(JSON.stringify(log)).not.toContain("trace")
    expect(log.at(-1)?.requestId).toBe(refused.body.requestId)
  })

  test("answers are not to be kept, but for seats, which are asked about again", async () => {
    const ada = await enter(talk, user)
    expect((await ada.get("/v1/wallet")).headers.get("cache-control")).toBe("no-store")
    const path = "/v1/performances/gala-1/seats"
    const first = await ada.get(path)
    expect(first.headers.get("cache-control")).toBe("private, no-cache")
    const etag = first.headers.get("etag")!
    expect(etag).toMatch(/^"[^"]+"$/)
    for (const tag of [etag, `W/${etag}`, `"x", ${etag}`, "*"]) {
      const unchanged = await ada.get(path, { headers: { "If-None-Match": tag } })
      expect(unchanged).toMatchObject({ status: 304, body: "" })
      expect(unchanged.headers.get("etag")).toBe(etag)
    }
    const others = await ada.get(`${path}?status=all`, { headers: { "If-None-Match": etag } })
    expect(others.status).toBe(200)
    await ada.hold(["B-1"])
    const changed = await ada.get(path, { headers: { "If-None-Match": etag } })
    expect(changed.status).toBe(200)
    const gated = await talk("GET", path, { user, headers: { "If-None-Match": etag } })
    expect(gated.status).toBe(401)
  })

  test("HEAD is a GET without its body", async () => {
    const answer = await talk("HEAD", "/v1/shows", { user })
    expect(answer).toMatchObject({ status: 200, body: "" })
    expect(Number(answer.headers.get("content-length"))).toBeGreaterThan(0)
  })
})

/** Sends raw bytes, and returns everything that comes back until the connection ends. */
const send = (bytes: string): Promise<string> => {
  const socket = connect(Number(new URL(server.url).port), "127.0.0.1")
  socket.write(bytes)
  return text(Readable.from(socket))
}

describe("what is hardly a request", () => {
  test("headers without end", async () => {
    const answer = await send(`GET / HTTP/1.1\r\nHost: x\r\nX: ${"x".repeat(20_000)}\r\n\r\n`)
    expect(answer).toMatch(/^HTTP\/1.1 431 /)
    expect(JSON.parse(answer.split("\r\n\r\n")[1]!)).toMatchObject({
      status: 431,
      code: "headers_too_large"
    })
  })

  test("a path without end", async () => {
    const answer = await send(`GET /${"x".repeat(20_000)} HTTP/1.1\r\nHost: x\r\n\r\n`)
    expect(answer).toMatch(/^HTTP\/1.1 431 /)
  })

  const problemOf = (answer: string) => {
    const [head = "", body = ""] = answer.split("\r\n\r\n")
    expect(head).toMatch(/\r\ncontent-type: application\/problem\+json\r\n/i)
    expect(head).toMatch(/\r\nconnection: close/i)
    const { status, code } = JSON.parse(body)
    expect(head).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
    return `${status} ${code}`
  }

  test.each([
    ["GET /livez HTTP/1.1", "400 request_invalid"],
    [
      "POST /v1/payments HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2",
      "400 request_invalid"
    ],
    ["GET /livez HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade", "400 request_invalid"],
    ["GET /livez HTTP/1.1\r\nHost: x\r\nExpect: a-miracle", "417 expectation_failed"],
    ["GET /livez HTTP/1.1\r\nHost: x\r\nhost: y", "400 request_invalid"],
    ["CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443", "404 not_found"]
  ])("%j is refused by a problem, and logged", async (head, expected) => {
    log.length = 0
    expect(problemOf(await send(`${head}\r\n\r\n`))).toBe(expected)
    expect(log).toMatchObject([{ route: "none", status: Number(expected.slice(0, 3)) }])
  })

  test("CONNECT behind a request that has no answer yet ends the connection, and no more", async () => {
    const ask = "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
    const answer = await send(`${ask}CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n`)
    expect(answer).not.toContain("not_found")
    expect((await talk("GET", "/livez")).status).toBe(200)
  })

  test("HTTP/1.0 needs no host, and another protocol is not switched to", async () => {
    expect(await send("GET /livez HTTP/1.0\r\n\r\n")).toMatch(/^HTTP\/1.1 200 /)
    const head = "GET /livez HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: upgrade, close"
    expect(await send(`${head}\r\n\r\n`)).toMatch(/^HTTP\/1.1 200 /)
  })

  test("the whole URL of another protocol is nothing here, and one of HTTP is its path", async () => {
    const end = "HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    expect(await send(`GET ftp://x/metrics ${end}`)).toMatch(/^HTTP\/1.1 404 /)
    expect(await send(`GET http://x/metrics ${end}`)).toMatch(/^HTTP\/1.1 200 /)
    expect(await send(`DELETE http://x/metrics ${end}`)).toMatch(/^HTTP\/1.1 405 /)
  })

  test.each([
    ["/v1/queues/main/token", "", 200],
    ["/v1/queues/main/token", "Content-Type: text/plain\r\n", 200],
    ["/v1/queues/main/token", "Content-Type: application/json\r\n", 200],
    [charges, "Idempotency-Key: empty\r\n", 400],
    [charges, "Idempotency-Key: empty\r\nContent-Type: application/json\r\n", 400],
    [charges, "Idempotency-Key: empty\r\nContent-Type: text/plain\r\n", 415]
  ])("to %s with %j: nothing in chunks is nothing", async (path, headers, status) => {
    const head =
      `POST ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-User-Id: ${user}\r\n` +
      `Queue-Token: ${token}\r\n${headers}`
    const answers = [
      await send(`${head}Content-Length: 0\r\n\r\n`),
      await send(`${head}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`)
    ]
    for (const answer of answers) expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
    const something = `${head}Transfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n`
    expect(await send(something)).toMatch(/^HTTP\/1.1 4(?:00|15) /)
  })

  test("a body is asked for where it is expected", async () => {
    const head =
      `POST ${charges} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-User-Id: ${user}\r\n` +
      `Queue-Token: ${token}\r\nIdempotency-Key: continued\r\nContent-Type: application/json\r\n`
    const answer = await send(
      `${head}Expect: 100-continue\r\nContent-Length: 29\r\n\r\n{"amount":1,"currency":"KRW"}`
    )
    expect(answer).toMatch(/^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 201 /)
  })

  test("another protocol", async () => {
    const answer = await send("HELO\r\n\r\n")
    expect(answer).toMatch(/^HTTP\/1.1 400 /)
    expect(answer).toContain('"code":"request_invalid"')
  })
})

test("the log has a line for each request, and nothing secret", async () => {
  log.length = 0
  await talk("GET", "/v1/shows/gala?token=secret-1", { user, token })
  await talk("GET", "/secret-2", { user, headers: { Authorization: "Bearer secret-3" } })
  expect(log).toEqual([
    {
      time: expect.any(String),
      requestId: expect.any(String),
      method: "GET",
      route: "/v1/shows/{showId}",
      status: 400,
      ms: expect.any(Number)
    },
    expect.objectContaining({ route: "none", status: 404 })
  ])
  expect(JSON.stringify(log)).not.toContain("secret")
})

test("requests are counted for Prometheus", async () => {
  await talk("GET", "/v1/shows/gala", { user })
  const { headers, body } = await talk("GET", "/metrics")
  expect(headers.get("content-type")).toMatch(/^text\/plain; version=0.0.4/)
  expect(body).toMatch(
    /^boxoffice_http_requests_total\{method="GET",route="\/v1\/shows\/\{showId\}",status="200"\} \d+$/m
  )
  expect(body).toMatch(/^boxoffice_http_request_duration_seconds_bucket\{.*le="0.005"\} \d+$/m)
})

test("every error has its page", async () => {
  const { body } = await talk("GET", "/v1/shows/nope", { user })
  const page = await talk("GET", body.type)
  expect(page).toMatchObject({ status: 200, body: expect.stringContaining("show_not_found") })
})
