import { once } from "node:events"
import { connect, type Socket } from "node:net"
import { afterEach, describe, expect, test, vi } from "vitest"
import { join, openHouse, seatsOf, startServer, type TestServer } from "./support.ts"

// Clients that hold connections and responses without reading them.

const sockets: Array<Socket> = []
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy()
})

const open = async (server: TestServer): Promise<Socket> => {
  const socket = connect(Number(new URL(server.url).port), "127.0.0.1")
  sockets.push(socket)
  socket.on("error", () => {})
  await once(socket, "connect")
  return socket
}

const hasClosed = (socket: Socket): Promise<void> => {
  socket.resume()
  return new Promise((resolve) => socket.once("close", () => resolve()))
}

const heard = async (socket: Socket, pattern: RegExp): Promise<string> => {
  let text = ""
  socket.setEncoding("utf8").on("data", (chunk) => {
    text += chunk
  })
  await vi.waitFor(() => expect(text).toMatch(pattern), { timeout: 10_000, interval: 10 })
  return text
}

describe("a response that the client does not read", () => {
  test("is given up, and a slow request and a quiet stream are not", async () => {
    await using server = await startServer({ routes: { writeTimeoutSeconds: 1 } })
    await openHouse(server.talk)
    await server.talk("POST", "/v1/admin/performances/gala-1/seats", {
      admin: true,
      json: { seats: seatsOf(["C"], 50_000) }
    })
    const token = await join(server.talk, "ada")
    const head = (path: string) =>
      `GET ${path} HTTP/1.1\r\nHost: x\r\nX-User-Id: ada\r\nQueue-Token: ${token}\r\n\r\n`
    const quiet = await open(server)
    quiet.write(head("/v1/queues/main/token/events"))
    await heard(quiet, /"state":"admitted"/)

    const deaf = await open(server)
    deaf.pause()
    // Several requests in sequence: their responses exceed every buffer between server and client.
    deaf.write(head("/v1/performances/gala-1/seats?status=all").repeat(8))
    await vi.waitFor(
      async () => {
        const { body } = await server.talk("GET", "/metrics")
        expect(body).toMatch(/^boxoffice_http_connections_dropped_total [1-9]/m)
      },
      { timeout: 30_000, interval: 100 }
    )
    await hasClosed(deaf)
    expect(quiet.closed).toBe(false)
    expect(quiet.readableEnded).toBe(false)
  }, 60_000)
})

describe("connections", () => {
  test("beyond the limit are hung up on, and idle ones make room", async () => {
    await using server = await startServer({ routes: { maxConnections: 3, drainSeconds: 0 } })
    const busy = await open(server)
    const idle = await open(server)
    idle.write("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
    await heard(idle, /"live"/)
    const half = await open(server)
    for (const socket of [busy, half]) socket.write("GET /livez HTTP/1.1\r\nHost: x\r\n")
    const idleHasClosed = hasClosed(idle)
    await hasClosed(await open(server))
    await idleHasClosed
    const next = await open(server)
    next.write("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
    await heard(next, /"live"/)
    busy.write("\r\n")
    await heard(busy, /"live"/)
  }, 60_000)
})

describe("event streams", () => {
  const path = "/v1/queues/main/token/events"

  test("of one user have a limit; a closed one makes room, and other users are not affected", async () => {
    await using server = await startServer({ routes: { streamsPerUser: 2 } })
    await openHouse(server.talk)
    const follow = async (user: string, method = "GET") => {
      const token = await join(server.talk, user)
      const gone = new AbortController()
      const { status, headers } = await fetch(server.url + path, {
        method,
        headers: { "X-User-Id": user, "Queue-Token": token },
        signal: gone.signal
      })
      return { status, headers, hangUp: () => gone.abort() }
    }
    const opened = await Promise.all(Array.from({ length: 6 }, () => follow("ada")))
    expect(opened.map(({ status }) => status).sort()).toEqual([200, 200, 429, 429, 429, 429])
    const refused = opened.find(({ status }) => status === 429)
    expect(refused?.headers.get("content-type")).toBe("application/problem+json")
    expect(refused?.headers.get("retry-after")).toBe("10")
    expect((await follow("bob")).status).toBe(200)
    for (const { status, hangUp } of opened) if (status === 200) hangUp()
    // A HEAD request starts no stream.
    for (const method of ["HEAD", "HEAD", "HEAD", "GET"]) {
      await vi.waitFor(async () => expect((await follow("ada", method)).status).toBe(200), {
        timeout: 10_000,
        interval: 20
      })
    }
  }, 60_000)
})
