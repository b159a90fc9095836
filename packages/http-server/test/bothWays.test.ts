/**
 * The fast path and the router give equal responses. Random requests, from the seed in the name of
 * the test, go to a listening server (with the fast path) and to a mounted one (without it).
 */
import { once } from "node:events"
import { createServer, type Server } from "node:http"
import { type AddressInfo, connect } from "node:net"
import { makeBoxOffice, type PromisedBoxOffice } from "@boxoffice/core"
import { layerMemory } from "@boxoffice/core/testing"
import { Redacted } from "effect"
import { afterAll, beforeAll, expect, test } from "vitest"
import { makeRandom } from "../src/cli/simulate/random.ts"
import { type NodeHandler, toNodeHandler } from "../src/index.ts"
import { refuseMalformed } from "../src/server/refuseRaw.ts"
import {
  adminToken,
  join,
  openHouse,
  startServer,
  type Talk,
  type TestServer,
  talkTo,
  ticketKey
} from "./support.ts"

const count = 2_000
const seed = Number(process.env.BOTH_WAYS_SEED ?? Date.now() % 1_000_000_000)

const users = ["ada", "bob", "late"]

/** A request without its tokens and reservations, since each server has its own. */
interface Sketch {
  readonly method: string
  readonly target: string
  readonly headers: ReadonlyArray<readonly [name: string, value: string]>
  readonly body: string | undefined
  readonly length: "chunked" | "plain" | "with zeros" | undefined
  /** Whether the path is another spelling of a route's path. */
  readonly isAlias: boolean
  /** Whether the client sends less than the declared body. */
  readonly ends: boolean
}

/** One of the two servers, with its own tokens and ids. */
interface Side {
  readonly port: number
  readonly names: Map<string, string>
}

let listening: TestServer
let office: PromisedBoxOffice
let mounted: { readonly server: Server; readonly handler: NodeHandler }
let sides: ReadonlyArray<Side>

beforeAll(async () => {
  listening = await startServer({ policies: { paymentCompletesToken: false } })
  office = await makeBoxOffice(layerMemory, {
    signingKeys: { [ticketKey.id]: Redacted.value(ticketKey.secret) },
    policies: { paymentCompletesToken: false }
  })
  const handler = toNodeHandler(
    { identity: { mode: "header" }, charges: "user", adminToken },
    office.services
  )
  const server = createServer(handler.handler).listen(0, "127.0.0.1")
  // Malformed requests reach neither of them.
  refuseMalformed(server, "/docs/errors/")
  await once(server, "listening")
  mounted = { server, handler }
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  sides = await Promise.all([prepare(listening.url), prepare(url)])
}, 60_000)

afterAll(async () => {
  await listening.stop()
  await mounted.handler.dispose()
  mounted.server.close()
  await office.close()
})

const prepare = async (url: string): Promise<Side> => {
  const talk: Talk = talkTo(url)
  await openHouse(talk)
  const names = new Map<string, string>()
  await talk("POST", "/v1/admin/queues", {
    admin: true,
    json: { queueId: "narrow", settings: { maxActive: 1 } }
  })
  await join(talk, "ada", "narrow")
  for (const user of users) names.set(`token-of-${user}`, await join(talk, user))
  names.set("token-that-waits", await join(talk, "late", "narrow"))
  const hold = await talk("POST", "/v1/reservations", {
    user: "ada",
    token: names.get("token-of-ada"),
    json: { performanceId: "gala-1", seatIds: ["A-1"] }
  })
  names.set("held-by-ada", hold.body.reservationId)
  return { port: Number(new URL(url).port), names }
}

test(`seed ${seed}: ${count} requests are answered the same`, async () => {
  const random = makeRandom(seed)
  const statuses = new Map<string, number>()
  for (let asked = 0; asked < count; ) {
    // Reads may run concurrently; changes run in the same order on both servers.
    const sketches = [sketch(random)]
    while (sketches.length < 20 && isReading(sketches.at(-1)!)) sketches.push(sketch(random))
    asked += sketches.length
    const both = await Promise.all(
      sides.map((side) => Promise.all(sketches.map((asked) => send(asked, side))))
    )
    for (const [index, asked] of sketches.entries()) {
      const [short, long] = both.map((answers) => lasting(asked, answers[index]!))
      const about = `${JSON.stringify(asked).slice(0, 2_000)} (seed ${seed})`
      expect(short, about).toEqual(long)
      if (asked.isAlias) expect(["400", "404"], about).toContain(short!.status)
      statuses.set(short!.status, (statuses.get(short!.status) ?? 0) + 1)
    }
  }
  // If every request had been refused early, the comparison would prove nothing.
  const seen = `seed ${seed}: ${JSON.stringify([...statuses])}`
  for (const status of ["200", "201", "400", "401", "404", "405"]) {
    expect(statuses.has(status), `${status}, ${seen}`).toBe(true)
  }
}, 60_000)

const isReading = ({ method }: Sketch): boolean => !["POST", "PATCH", "DELETE"].includes(method)

type Random = () => number

const oneOf = <A>(random: Random, options: ReadonlyArray<A>): A =>
  options[Math.floor(random() * options.length)]!

const ids = {
  show: ["gala", "gala", "gala", "none", "no:ne", "%67ala", "g ala".replace(" ", "%20"), "..", "%"],
  performance: ["gala-1", "gala-1", "gala-1", "none", "GALA-1", "gala-1%00"],
  queue: ["main", "main", "main", "narrow", "none", "%6Dain", "ma%2Fin"],
  reservation: ["{held-by-ada}", "{held-by-ada}", "none", "019845e1-682f-7b02-a706-3b2422d13aec"]
}
const longIds = ["x".repeat(4_096), "x".repeat(4_097), "x".repeat(1_200), "%41".repeat(1_500)]

const posted = ["/v1/reservations", "/v1/wallet/charges", "/v1/payments", "/v1/queues/:queue/token"]
const paths = [
  ...posted,
  ...posted,
  ...posted,
  "/v1/shows",
  "/v1/shows/:show",
  "/v1/shows/:show/dates",
  "/v1/performances/:performance/seats",
  "/v1/queues/:queue",
  "/v1/queues/:queue/token",
  "/v1/queues/:queue/token/events",
  "/v1/reservations",
  "/v1/reservations/:reservation",
  "/v1/wallet",
  "/v1/wallet/entries",
  "/v1/wallet/charges",
  "/v1/payments",
  "/v1/admin/queues",
  "/v1/admin/queues/:queue",
  "/v1/admin/queues/:queue/pause",
  "/v1/admin/queues/:queue/resume",
  "/v1/admin/shows",
  "/v1/admin/performances/:performance/seats",
  "/livez",
  "/readyz",
  "/metrics",
  "/openapi.json",
  "/docs/errors/",
  "/docs/errors/not_found",
  "/docs/errors/nothing",
  "/v1",
  "/",
  "*"
]

/** Other spellings of a path, which a lenient server would accept. */
const spellings: ReadonlyArray<(path: string, random: Random) => string> = [
  (path) => `/${path}`,
  (path) => `${path}/`,
  (path) => path.toUpperCase(),
  (path) => `${path};x`,
  (path) => `${path}%00`,
  (path) => `${path}#x`,
  (path) => `/.${path}`,
  (path) => `/x/..${path}`,
  (path) => `http://elsewhere${path}`,
  (path) => `http://elsewhere/x/..${path}`,
  (path) => `http://elsewhere/%2e${path}`,
  (path) => path.replaceAll("/", "\\"),
  (path) => path.replaceAll("/", "//"),
  (path) => path.slice(1),
  (path, random) => {
    const at = Math.floor(random() * path.length)
    const code = path.charCodeAt(at).toString(16)
    return `${path.slice(0, at)}%${code}${path.slice(at + 1)}`
  }
]

const searches = [
  "?limit=1",
  "?limit=0",
  "?limit=1&limit=2",
  "?limit=%31",
  "?cursor=x",
  "?cursor=eyJoZWxkQXQiOjFlMTV9",
  "?status=all",
  "?status=sold",
  "?foo=1",
  "?__proto__=1",
  "?",
  "??",
  "?%",
  "?a=%FF",
  "?limit=1#x",
  "?limit=1;x"
]

const charge = { amount: 50, currency: "KRW" }
const bodies: ReadonlyArray<string> = [
  ...[
    charge,
    charge,
    { ...charge, amount: 0 },
    { ...charge, currency: "USD" },
    { ...charge, more: 1 },
    { performanceId: "gala-1", seatIds: ["A-2"] },
    { performanceId: "gala-1", seatIds: ["A-3", "B-1"] },
    { performanceId: "gala-1", seatIds: ["Z-1"] },
    { performanceId: "none", seatIds: ["A-1"] },
    { performanceId: "gala-1", seatIds: Array.from({ length: 300 }, () => "") },
    { reservationId: "{held-by-ada}" },
    { reservationId: "none" },
    { queueId: "another" },
    { queueId: "another", settings: { maxActive: 3 } },
    { showId: "another", title: "Another", queueId: "main" },
    { settings: { maxActive: 4_000 } },
    { seats: [] },
    {},
    [],
    null,
    1,
    "text"
  ].map((body) => JSON.stringify(body)),
  "",
  "{",
  '{"amount":1,"amount":2,"currency":"KRW"}',
  '{"amount":1e400,"currency":"KRW"}',
  '{"__proto__":{"amount":1},"currency":"KRW"}',
  `{"amount":1,"currency":"${"K".repeat(66_000)}"}`,
  "\u00ff\u00fe",
  "[".repeat(5_000)
]

/** Bodies for a path. */
const fits: ReadonlyArray<readonly [RegExp, ReadonlyArray<string>]> = [
  [/charges$/, bodies.slice(0, 5)],
  [/reservations$/, bodies.slice(5, 10)],
  [/payments$/, bodies.slice(10, 12)],
  [/admin/, bodies.slice(12, 17)],
  [/token$|pause$|resume$/, ["{}", ""]]
]
const keys = Array.from({ length: 12 }, (_, i) => `k${i}`)

const sketch = (random: Random): Sketch => {
  const chance = (share: number) => random() < share
  const plain = chance(0.02)
    ? oneOf(
        random,
        longIds.map((id) => `/v1/shows/${id}`)
      )
    : oneOf(random, paths)
  // The reference page has megabytes, which take long to compare.
  const isDocs = chance(0.001)
  const path = (isDocs ? "/docs" : plain).replace(/:(\w+)/, (_, kind: keyof typeof ids) =>
    oneOf(random, ids[kind])
  )
  const spelt = chance(0.15) ? oneOf(random, spellings)(path, random) : path
  const isSpeltAnew = spelt !== path && spelt !== `http://elsewhere${path}`
  // A parameter of the path may be replaced by an id that does not exist.
  const isAlias = isSpeltAnew && !/:|errors|xxx|%41/.test(plain)
  const target = spelt + (chance(0.25) ? oneOf(random, searches) : "")
  const isPosted = /charges|payments|reservations$|token$|pause|resume|admin/.test(path)
  const method = oneOf(random, chance(0.2) ? methods : isPosted && chance(0.8) ? ["POST"] : ["GET"])
  const isStream = path.endsWith("/events")

  const headers: Array<[string, string]> = []
  const add = (name: string, share: number, values: ReadonlyArray<string>) => {
    if (chance(share)) headers.push([name, oneOf(random, values)])
  }
  // A user who has left is refused from then on, so only one user leaves.
  const user = method === "DELETE" ? "bob" : oneOf(random, ["ada", "ada", "bob", "late"])
  add("X-User-Id", 0.95, [...Array(12).fill(user), "eve", "", "a, b", "\u00e9", "x".repeat(129)])
  const wrong = ["bo1.k1.x", "", "x".repeat(3_000), "{token-that-waits}"]
  // A started event stream would not end in this test.
  const tokens = isStream ? wrong.slice(0, 3) : [...Array(12).fill(`{token-of-${user}}`), ...wrong]
  add("Queue-Token", 0.9, tokens)
  add("Idempotency-Key", 0.8, [...keys, ...keys, "", "x y", "\u00e9", "k".repeat(256)])
  add("Authorization", 0.3, [
    `Bearer ${adminToken}`,
    `Bearer ${adminToken}`,
    "Bearer wrong",
    "Basic x"
  ])
  add("X-Request-Id", 0.1, ["trace-1", "not sane", "x".repeat(200)])
  add("If-None-Match", 0.15, ["*", "*", '"x"', 'W/"x", *'])
  add("Queue-Code", 0.05, ["opens-nothing", ""])
  add("Accept", 0.1, ["text/plain", "application/xml;q=0"])
  add("Upgrade", 0.02, ["h2c"])
  add("Content-Encoding", 0.03, ["gzip", "identity"])
  const hasBody = chance(method === "POST" || method === "PATCH" ? 0.9 : 0.08)
  const [, fitting] = fits.find(([pattern]) => pattern.test(path)) ?? []
  const body = hasBody ? oneOf(random, chance(0.7) ? (fitting ?? bodies) : bodies) : undefined
  if (body === undefined) {
    add("Content-Length", 0.2, ["0", "00", "000000"])
    return { method, target, isAlias, headers, body, length: undefined, ends: false }
  }
  add("Content-Type", 0.95, [
    ...Array(12).fill("application/json"),
    "application/json; charset=utf-8",
    "APPLICATION/JSON",
    "application/json; charset=latin1",
    "text/plain",
    ""
  ])
  const length = chance(0.2) ? "chunked" : chance(0.1) ? "with zeros" : "plain"
  return {
    method,
    target,
    isAlias,
    headers,
    body,
    length,
    ends: body.length < 60_000 && chance(0.03)
  }
}

const methods = [
  ...["GET", "GET", "GET", "GET", "GET", "GET", "POST", "DELETE", "HEAD"],
  ...["PUT", "PATCH", "OPTIONS", "TRACE", "PROPFIND"]
]

interface Heard {
  readonly status: string
  readonly headers: Record<string, string>
  readonly body: string
}

/** Sends a request, and reads until the server closes the connection. */
const send = async (asked: Sketch, { port, names }: Side): Promise<string> => {
  const named = (text: string) =>
    text.replaceAll(/\{((?:token|held)[\w-]+)\}/g, (_, name) => names.get(name)!)
  const body = named(asked.body ?? "")
  const lines = asked.headers.map(([name, value]) => `${name}: ${named(value)}`)
  let rest = body
  if (asked.length === "chunked") {
    lines.push("Transfer-Encoding: chunked")
    rest = `${body && `${body.length.toString(16)}\r\n${body}\r\n`}${asked.ends ? "" : "0\r\n\r\n"}`
  } else if (asked.length !== undefined) {
    const zeros = asked.length === "with zeros" ? "00" : ""
    lines.push(`Content-Length: ${zeros}${body.length + (asked.ends ? 1 : 0)}`)
  }
  const head = [`${asked.method} ${named(asked.target)} HTTP/1.1`, "Host: x", "Connection: close"]
  const socket = connect(port, "127.0.0.1").setEncoding("latin1")
  let heard = ""
  socket.on("data", (chunk) => {
    heard += chunk
  })
  // The server may close the connection of a client that is still sending a refused request.
  socket.on("error", () => {})
  socket.write(`${[...head, ...lines].join("\r\n")}\r\n\r\n${rest}`, "latin1")
  if (asked.ends) socket.end()
  await once(socket, "close")
  return heard
}

/** The response without the parts that differ by time or server. */
const lasting = ({ target }: Sketch, answer: string): Heard => {
  const [head = "", ...rest] = answer.split("\r\n\r\n")
  const [status = "", ...lines] = head.split("\r\n")
  const headers = Object.fromEntries(
    lines.map((line) => {
      const [name = "", ...value] = line.split(": ")
      return [name.toLowerCase(), value.join(": ").replaceAll(varying, "#")]
    })
  )
  for (const name of ["date", "connection", "keep-alive"]) delete headers[name]
  if (headers["retry-after"] !== undefined) headers["retry-after"] = "#"
  const isPage = /metrics/i.test(target) && status.includes(" 200 ")
  if (isPage) delete headers["content-length"]
  return {
    status: status.slice(9, 12),
    headers,
    body: isPage ? "" : rest.join("\r\n\r\n").replaceAll(varying, "#")
  }
}
const varying =
  /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{4}-\d\d-\d\dT[\d:.]+Z|bo1\.k1\.[\w.-]+|(?<="(?:pollAfterSeconds|holdExpiresInSeconds)":)\d+|(?<="nextCursor":)"\w+"|(?<="estimatedWait":)(?:null|\{[^}]*\})/g
