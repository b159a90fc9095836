import { once } from "node:events"
import { createServer, type IncomingMessage, type Server } from "node:http"
import { type AddressInfo, connect } from "node:net"
import { Readable } from "node:stream"
import { buffer } from "node:stream/consumers"
import { type BoxOfficeStore, makeBoxOffice, type PromisedBoxOffice } from "@boxoffice/core"
import { layerMemory } from "@boxoffice/core/testing"
import { Effect, Layer } from "effect"
import { afterEach, describe, expect, test } from "vitest"
import { type NodeHandler, toNodeHandler, toWebHandler } from "../src/index.ts"
import { adminToken, join, openHouse, type Talk, talkTo } from "./support.ts"

type Middleware = (request: IncomingMessage & Record<string, unknown>) => Promise<void> | void

let server: Server | undefined
let office: PromisedBoxOffice
let tickets: NodeHandler

/** A server of a host that processes a request before it passes it to the handler. */
const mount = async (
  before: Middleware = () => {},
  prefix = "/tickets",
  more: Partial<Parameters<typeof toNodeHandler>[0]> = {}
): Promise<Talk> => {
  office = await makeBoxOffice(layerMemory, {
    signingKeys: { k1: "a secret of at least thirty-two bytes" }
  })
  tickets = toNodeHandler(
    { identity: { mode: "header" }, charges: "user", adminToken, prefix, ...more },
    office.services
  )
  server = createServer(async (request, response) => {
    await before(request as IncomingMessage & Record<string, unknown>)
    tickets.handler(request, response, (error) => {
      response.writeHead(error === undefined ? 299 : 599).end()
    })
  }).listen(0, "127.0.0.1")
  await once(server, "listening")
  const talk = talkTo(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  const below = prefix.replace(/\/$/, "")
  return (method, path, ask) => talk(method, path.startsWith("/v1") ? below + path : path, ask)
}

afterEach(async () => {
  await tickets.dispose()
  await office.close()
  server?.close()
  server?.closeAllConnections()
})

describe("below a prefix", () => {
  test("what is elsewhere is the host's", async () => {
    const talk = await mount()
    for (const path of ["/", "/other", "/ticketsoffice", "/tickets.html"]) {
      expect((await talk("GET", path)).status).toBe(299)
    }
    expect((await talk("GET", "/tickets/nothing")).body.code).toBe("not_found")
    expect((await talk("GET", "/tickets?a=1")).body.code).toBe("not_found")
  })

  test("a router may have cut it off", async () => {
    const talk = await mount((request) => {
      request.originalUrl = request.url!
      request.url = request.url!.replace(/^\/tickets/, "")
    })
    const { status, body } = await talk("GET", "/v1/shows", { user: "ada" })
    expect([status, body]).toEqual([200, { items: [], nextCursor: null }])
  })

  test("the pages, the description and what points to them are below it too", async () => {
    const talk = await mount()
    await openHouse(talk)
    const unknown = await talk("GET", "/v1/shows/none", { user: "ada" })
    expect(unknown.body.type).toBe("/tickets/docs/errors/show_not_found")
    expect((await talk("GET", unknown.body.type)).status).toBe(200)
    expect((await talk("GET", "/tickets/docs")).status).toBe(200)
    expect((await talk("GET", "/tickets/openapi.json")).body.servers).toEqual([{ url: "/tickets" }])
    const wrong = await talk("PUT", "/v1/wallet", { user: "ada" })
    expect([wrong.status, wrong.headers.get("allow")]).toEqual([405, "GET, HEAD"])
  })

  test.each(["tickets", "/a b", "/a/:id", "/*", "/a//b"])("%s is none", (prefix) => {
    const options = { identity: { mode: "header" }, charges: "user", prefix } as const
    expect(() => toNodeHandler(options, office.services)).toThrow("Not a prefix")
    expect(() => toWebHandler(options, office.services)).toThrow("Not a prefix")
  })

  test.each(["", "/"])("%j is for none", async (prefix) => {
    const talk = await mount(() => {}, prefix)
    expect((await talk("GET", "/v1/shows", { user: "ada" })).status).toBe(200)
  })
})

describe("a body that another middleware has read", () => {
  const charge = async (talk: Talk, json: unknown = { amount: 500, currency: "KRW" }) => {
    const token = await join(talk, "ada")
    return talk("POST", "/v1/wallet/charges", { user: "ada", token, key: "k", json })
  }
  const parses: Record<string, (bytes: Buffer) => Record<string, unknown>> = {
    "as an object": (bytes) => ({ body: JSON.parse(bytes.toString() || "{}") }),
    "as text": (bytes) => ({ body: bytes.toString() }),
    "as bytes": (bytes) => ({ body: bytes }),
    "as an object, with the bytes beside it": (bytes) => ({ body: {}, rawBody: bytes })
  }

  test.each(Object.entries(parses))("%s is taken", async (_, parse) => {
    const talk = await mount(async (request) => {
      Object.assign(request, parse(await buffer(request)))
    })
    await openHouse(talk)
    const { status, body } = await charge(talk)
    expect([status, body.balance]).toEqual([201, { amount: 500, currency: "KRW" }])
    expect((await charge(talk, { amount: -1, currency: "KRW" })).status).toBe(400)
  })

  test("and kept from us is no body", async () => {
    const talk = await mount(async (request) => {
      if (request.url?.endsWith("/charges")) await buffer(request)
      else Object.assign(request, { body: await buffer(request) })
    })
    await openHouse(talk)
    const { status, body } = await charge(talk)
    expect([status, body.code]).toEqual([400, "request_invalid"])
  })
})

test("with the default gate, the operator's service charges without a queue token", async () => {
  const serviceToken = "a token of the payment service"
  const talk = await mount(() => {}, "/tickets", { charges: "operator", serviceToken })
  const charge = async (token: string) => {
    const { status, body } = await talk("POST", "/v1/wallet/charges", {
      user: "ada",
      key: "k",
      headers: { "service-token": token },
      json: { amount: 500, currency: "KRW" }
    })
    return [status, body.code, body.balance?.amount]
  }
  expect(await charge("wrong")).toEqual([403, "charge_not_allowed", undefined])
  expect(await charge(serviceToken)).toEqual([201, undefined, 500])
})

test("disposing ends event streams, and waits for what is in flight", async () => {
  const talk = await mount()
  await openHouse(talk)
  const token = await join(talk, "ada")
  const { port } = server!.address() as AddressInfo
  const events = await fetch(`http://127.0.0.1:${port}/tickets/v1/queues/main/token/events`, {
    headers: { "X-User-Id": "ada", "Queue-Token": token }
  })
  const reader = events.body!.getReader()
  expect(new TextDecoder().decode((await reader.read()).value)).toContain('"state":"admitted"')
  await Promise.all([tickets.dispose(), tickets.dispose()])
  let last = await reader.read()
  while (!last.done) last = await reader.read()
})

test("disposing waits no longer for a request that does not end", async () => {
  await mount(undefined, undefined, { drainSeconds: 1 })
  const { port } = server!.address() as AddressInfo
  const socket = connect(port, "127.0.0.1")
  const head = "POST /tickets/v1/wallet/charges HTTP/1.1\r\nHost: x\r\nX-User-Id: ada\r\n"
  socket.write(`${head}Content-Type: application/json\r\nContent-Length: 9\r\n\r\n{`)
  await once(server!, "request")
  await tickets.dispose()
  socket.destroy()
})

test("services that cannot be made are reported to the host", async () => {
  await mount()
  const broken = office.services.pipe(
    Layer.provideMerge(Layer.effectDiscard(Effect.fail("no database")))
  ) as Layer.Layer<Layer.Success<typeof office.services> | BoxOfficeStore, string>
  const { handler } = toNodeHandler({ identity: { mode: "header" }, charges: "user" }, broken)
  const failure = new Promise((resolve) => {
    server!.removeAllListeners("request").on("request", (request, response) => {
      handler(request, response, (error) => {
        resolve(error)
        response.end()
      })
    })
  })
  await fetch(`http://127.0.0.1:${(server!.address() as AddressInfo).port}/v1/shows`)
  expect(String(await failure)).toContain("no database")
})

describe("as a web handler", () => {
  test("what frameworks pass behind the request is nothing to it", async () => {
    await mount()
    const { handler, dispose } = toWebHandler(
      { identity: { mode: "header" }, charges: "user" },
      office.services
    )
    const framework = handler as (request: Request, ...more: Array<unknown>) => Promise<Response>
    const request = new Request("http://host/v1/shows", { headers: { "X-User-Id": "ada" } })
    expect((await framework(request, { params: {} }, {})).status).toBe(200)
    await dispose()
  })

  test("a stream is a body if there is something in it", async () => {
    const talk = await mount()
    await openHouse(talk)
    const { handler, dispose } = toWebHandler(
      { identity: { mode: "header" }, charges: "user" },
      office.services
    )
    const statusFor = async (chunks: ReadonlyArray<string>, type?: string) => {
      const headers = { "X-User-Id": "ada", ...(type !== undefined && { "Content-Type": type }) }
      const body = Readable.toWeb(Readable.from(chunks.map((chunk) => Buffer.from(chunk))))
      const init = { method: "POST", headers, body, duplex: "half" } as RequestInit
      return (await handler(new Request("http://host/v1/queues/main/token", init))).status
    }
    expect(await statusFor([])).toBe(201)
    expect(await statusFor([], "application/json")).toBe(200)
    expect(await statusFor([], "text/plain")).toBe(200)
    expect(await statusFor(["{", "}"], "application/json")).toBe(200)
    expect(await statusFor(["{", "}"], "text/plain")).toBe(415)
    expect(await statusFor(["{", "}"])).toBe(415)
    await dispose()
  })
})
