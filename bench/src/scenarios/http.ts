/** The reference server over HTTP, beside Node's own server doing nothing but answering. */
import { type RunningServer, runLoad, startBare, startServer } from "../http/processes.ts"
import type { Scenario } from "../scenario.ts"
import { signingKey, type World } from "../world.ts"

const requestsPerRound = 60_000
const hallSeats = 50_000

interface HttpRound {
  readonly requests: ReadonlyArray<string>
  readonly repeat: boolean
  readonly status: string
  /** Of the bare server: requests that cost as much to read, and the answers of the same size. */
  readonly bare: {
    readonly requests: ReadonlyArray<string>
    readonly post: unknown
    readonly get: string
  }
}

const http = (options: {
  readonly name: string
  readonly connections: number
  readonly target: number
  readonly prepare: (world: World, server: RunningServer) => Promise<HttpRound>
}): Scenario => ({
  name: options.name,
  callers: options.connections,
  against: "bare node:http",
  by: "rate",
  target: options.target,
  round: async (world, { seconds }) => {
    const server = await startServer(world.url, signingKey)
    try {
      const { requests, repeat, status, bare } = await options.prepare(world, server)
      const job = { connections: options.connections, repeat }
      const plain = await startBare(bare)
      const reference = await runLoad({
        ...job,
        port: plain.port,
        seconds,
        requests: bare.requests
      })
      plain.stop()
      // Both are measured warm: a second of the same load goes before.
      const half = requests.length >> 1
      const warm = repeat ? requests : requests.slice(0, half)
      await runLoad({
        ...job,
        port: server.port,
        seconds: Math.min(1, seconds / 2),
        requests: warm
      })
      const rest = repeat ? requests : requests.slice(half)
      const subject = await runLoad({ ...job, port: server.port, seconds, requests: rest })
      if (subject.statuses[status] !== subject.answers) {
        throw new Error(`expected ${status} alone: ${JSON.stringify(subject.statuses)}`)
      }
      const rated = ({ answers, seconds, p50Ms, p99Ms }: typeof subject) => ({
        perSecond: answers / seconds,
        p50Ms,
        p99Ms
      })
      return { subject: rated(subject), reference: rated(reference) }
    } finally {
      server.stop()
    }
  }
})

type Caller = ReturnType<World["caller"]>

const head = (line: string, { userId, queueToken }: Caller, more = "") =>
  `${line} HTTP/1.1\r\nhost: bench\r\nx-user-id: ${userId}\r\nqueue-token: ${queueToken}\r\n${more}`

export const httpReserve = (connections: number, target: number): Scenario =>
  http({
    name: "reserve over HTTP",
    connections,
    target,
    prepare: async (world) => {
      const performanceId = await world.addPerformance(requestsPerRound)
      const requests = Array.from({ length: requestsPerRound }, (_, n) => {
        const body = JSON.stringify({ performanceId, seatIds: [`S${n}`] })
        const type = `content-type: application/json\r\ncontent-length: ${body.length}\r\n`
        return `${head("POST /v1/reservations", world.caller(n), type)}\r\n${body}`
      })
      return {
        requests,
        repeat: false,
        status: "201",
        bare: { requests, post: reservationLike(performanceId), get: "" }
      }
    }
  })

const seatsRound = async (world: World, server: RunningServer, conditional: boolean) => {
  const performanceId = await world.addPerformance(hallSeats)
  const path = `/v1/performances/${performanceId}/seats`
  const { userId, queueToken } = world.caller(0)
  const first = await fetch(`http://127.0.0.1:${server.port}${path}`, {
    headers: { "x-user-id": userId, "queue-token": queueToken }
  })
  const body = await first.text()
  const more = conditional ? `if-none-match: ${first.headers.get("etag")}\r\n` : ""
  const requests = Array.from(
    { length: 1_000 },
    (_, n) => `${head(`GET ${path}`, world.caller(n), more)}\r\n`
  )
  return {
    requests,
    repeat: true,
    status: conditional ? "304" : "200",
    bare: { requests, post: {}, get: body }
  }
}

export const httpSeats = (connections: number, target: number): Scenario =>
  http({
    name: "available seats over HTTP, 50,000 in the hall",
    connections,
    target,
    prepare: (world, server) => seatsRound(world, server, false)
  })

export const httpNotModified = (connections: number, target: number): Scenario =>
  http({
    name: "the same, unchanged (304)",
    connections,
    target,
    prepare: (world, server) => seatsRound(world, server, true)
  })

/** As long as a reservation, for the bare server to answer. */
const reservationLike = (performanceId: string) => ({
  reservationId: "00000000-0000-7000-8000-000000000000",
  performanceId,
  userId: "u12345",
  seats: [
    {
      seatId: "S12345",
      section: "Stalls",
      row: "R",
      number: "12345",
      price: { amount: 1_000, currency: "KRW" }
    }
  ],
  amount: { amount: 1_000, currency: "KRW" },
  status: "held",
  heldAt: "2026-01-01T00:00:00.000Z",
  holdExpiresAt: "2026-01-01T00:05:00.000Z",
  holdExpiresInSeconds: 300,
  confirmedAt: null
})
