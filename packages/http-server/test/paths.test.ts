import { once } from "node:events"
import { connect } from "node:net"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { enter, openHouse, startServer, type TestServer } from "./support.ts"

// A gateway's rule matches a path as it is written, so each route must accept only one spelling.

let server: TestServer
let token: string
beforeAll(async () => {
  server = await startServer()
  await openHouse(server.talk)
  const json = { showId: "team:cup:final", title: "The final", queueId: "main" }
  const made = await server.talk("POST", "/v1/admin/shows", { admin: true, json })
  expect(made.status).toBe(201)
  token = (await enter(server.talk, "ada")).token
})
afterAll(() => server.stop())

/** Sends a raw request, and returns the status and the code of the response. */
const send = async (head: string): Promise<string> => {
  const { port, hostname } = new URL(server.url)
  const socket = connect(Number(port), hostname)
  socket.write(`${head}\r\nHost: x\r\nConnection: close\r\n\r\n`)
  let text = ""
  socket.setEncoding("utf8").on("data", (chunk) => {
    text += chunk
  })
  await once(socket, "close")
  const status = text.slice(9, 12)
  return `${status} ${/"code":"(\w+)"/.exec(text)?.[1] ?? ""}`.trim()
}

describe.each(["/metrics", "/livez", "/openapi.json", "/docs", "/docs/errors/not_found"])(
  "%s",
  (path) => {
    const name = path.slice(1)
    test("answers to its own spelling", async () => {
      expect(await send(`GET ${path} HTTP/1.1`)).toBe("200")
    })

    test.each([
      `//${name}`,
      `/${name}/`,
      `/${name.toUpperCase()}`,
      `/%${name.charCodeAt(0).toString(16)}${name.slice(1)}`,
      `/${name};x`,
      `/./${name}`,
      `/x/../${name}`,
      `http://x/./${name}`,
      `http://x//${name}`,
      `http://x/%2e/${name}`,
      `/${name}%00`
    ])("and to no other: %s", async (alias) => {
      expect(await send(`GET ${alias} HTTP/1.1`)).toBe("404 not_found")
    })
  }
)

test("another method of another spelling is not told which methods there are", async () => {
  expect(await send("DELETE /v1/shows/gala HTTP/1.1\r\nX-User-Id: ada")).toBe(
    "405 method_not_allowed"
  )
  expect(await send("DELETE /v1/shows/g%61la HTTP/1.1\r\nX-User-Id: ada")).toBe("404 not_found")
})

test.each([
  ["/v1/shows/gala", "200"],
  ["/v1/shows/g%61la", "404 not_found"],
  ["/v1/SHOWS/gala", "404 not_found"],
  ["/v1/shows//gala", "404 not_found"],
  ["/v1/shows/gala/", "404 not_found"],
  ["/v1/shows/%", "404 not_found"],
  [`/v1/shows/${"x".repeat(4_097)}`, "404 not_found"],
  ["/v1/shows/team:cup:final", "200"],
  ["/v1/shows/team%3Acup%3Afinal", "200"],
  ["/v1/shows/team%3Acup:final", "404 not_found"],
  ["/v1/shows/team%3acup%3afinal", "404 not_found"],
  ["/v1/shows/none%3Asuch", "404 show_not_found"],
  ["/v1/shows/none:such", "404 show_not_found"]
])("%s: %s", async (path, expected) => {
  expect(await send(`GET ${path} HTTP/1.1\r\nX-User-Id: ada`)).toBe(expected)
})

test("a body of no length is none, however that is written", async () => {
  const join = (length: string) =>
    send(
      `POST /v1/queues/main/token HTTP/1.1\r\nX-User-Id: ada\r\nQueue-Token: ${token}\r\nContent-Length: ${length}`
    )
  expect(await join("00")).toBe(await join("0"))
})
