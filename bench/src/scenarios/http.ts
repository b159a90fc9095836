/** Compares the HTTP server with Node's own server, which only sends a fixed response. */
import { type CpuPerCall, countingCpu, spentBy } from "../cpu.ts"
import { type RunningServer, runLoad, startBare, startServer } from "../http/processes.ts"
import type { Scenario } from "../scenario.ts"
import { signingKey, type World } from "../world.ts"

const requestsPerRound = 60_000
const hallSeats = 50_000

export interface HttpRound {
  readonly requests: ReadonlyArray<string>
  readonly repeat: boolean
  readonly status: string
  /** For the bare server: requests that cost as much to parse, and responses of the same size. */
  readonly bare: {
    readonly requests: ReadonlyArray<string>
    readonly post: unknown
    readonly get: string
  }
}

/** The load on the server, with or without a reference. */
type Load = Pick<HttpRound, "requests" | "repeat" | "status">

/** Measures a warm server: up to three seconds of the same load come first. */
export const measure = async (
  world: World,
  server: RunningServer,
  { requests, repeat, status }: Load,
  { connections, seconds }: { readonly connections: number; readonly seconds: number }
) => {
  const job = { connections, repeat, port: server.port }
  const half = requests.length >> 1
  const warm = repeat ? requests : requests.slice(0, half)
  await runLoad({ ...job, seconds: Math.min(3, seconds / 2), requests: warm })
  const rest = repeat ? requests : requests.slice(half)
  const before = await transactionsOf(world)
  const result = await countingCpu(
    world.serverPid,
    () => runLoad({ ...job, seconds, requests: rest }),
    () => spentBy(server.pid)
  )
  const transactions = (await transactionsOf(world)) - before
  if (result.statuses[status] !== result.answers) {
    throw new Error(`expected ${status} alone: ${JSON.stringify(result.statuses)}`)
  }
  return { ...result, transactions }
}

export const rated = ({ answers, seconds, p50Ms, p99Ms, cpu }: Counted) => ({
  perSecond: answers / seconds,
  p50Ms,
  p99Ms,
  cpu
})
type Counted = Awaited<ReturnType<typeof runLoad>> & { readonly cpu: CpuPerCall | undefined }

/** The number of transactions that the database has ended, by all clients. */
const transactionsOf = async (world: World): Promise<number> => {
  const [row] = await world.query(`
    SELECT (xact_commit + xact_rollback)::text AS ended FROM pg_stat_database
    WHERE datname = current_database()`)
  return Number(row!.ended)
}

export const http = (options: {
  readonly name: string
  readonly connections: number
  readonly target: number | undefined
  readonly prepare: (world: World, server: RunningServer) => Promise<HttpRound>
  /** Checks the measured figures; throws if they are not as expected. */
  readonly check?: (measured: Awaited<ReturnType<typeof measure>>) => void
}): Scenario => ({
  name: options.name,
  callers: options.connections,
  against: "bare node:http",
  by: "rate",
  target: options.target,
  round: async (world, { seconds }) => {
    const { connections } = options
    const server = await startServer(world.url, signingKey)
    try {
      const { bare, ...load } = await options.prepare(world, server)
      const { repeat } = load
      const plain = await startBare(bare)
      const reference = await countingCpu(
        world.serverPid,
        () => runLoad({ connections, repeat, port: plain.port, seconds, requests: bare.requests }),
        () => spentBy(plain.pid)
      )
      plain.stop()
      const subject = await measure(world, server, load, { connections, seconds })
      options.check?.(subject)
      return {
        subject: rated(subject),
        reference: rated(reference),
        beside: {
          "load generator": subject.cpuMicros / subject.answers,
          "bare server": reference.cpu?.node ?? Number.NaN,
          "load generator on it": reference.cpuMicros / reference.answers
        }
      }
    } finally {
      server.stop()
    }
  }
})

type Caller = ReturnType<World["caller"]>

export const ask = async (
  { port }: RunningServer,
  path: string,
  { userId, queueToken }: Caller,
  init: RequestInit = {}
): Promise<{ readonly etag: string | null; readonly body: string }> => {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, {
    ...init,
    headers: { "x-user-id": userId, "queue-token": queueToken, ...init.headers }
  })
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
  return { etag: response.headers.get("etag"), body: await response.text() }
}

export const head = (line: string, { userId, queueToken }: Caller, more = "") =>
  `${line} HTTP/1.1\r\nhost: bench\r\nx-user-id: ${userId}\r\nqueue-token: ${queueToken}\r\n${more}`

export const httpReserve = (connections: number, target: number): Scenario =>
  http({
    name: "reserve over HTTP",
    connections,
    target,
    prepare: async (world, server) => {
      const performanceId = await world.addPerformance(requestsPerRound)
      const bodyOf = (n: number) => JSON.stringify({ performanceId, seatIds: [`S${n}`] })
      const requests = Array.from({ length: requestsPerRound }, (_, n) => {
        const body = bodyOf(n)
        const type = `content-type: application/json\r\ncontent-length: ${body.length}\r\n`
        return `${head("POST /v1/reservations", world.caller(n), type)}\r\n${body}`
      })
      // One response of the server; the bare server sends it for every request.
      const first = await ask(server, "/v1/reservations", world.caller(0), {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: bodyOf(0)
      })
      const post: unknown = JSON.parse(first.body)
      return {
        requests: requests.slice(1),
        repeat: false,
        status: "201",
        bare: { requests, post, get: "" }
      }
    }
  })

/** A row that reads one path. */
const readRound = async (
  world: World,
  server: RunningServer,
  path: string,
  conditional = false
): Promise<HttpRound> => {
  const { etag, body } = await ask(server, path, world.caller(0))
  const more = conditional ? `if-none-match: ${etag}\r\n` : ""
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

const seatsRound = async (world: World, server: RunningServer, conditional: boolean) => {
  const performanceId = await world.addPerformance(hallSeats)
  return readRound(world, server, `/v1/performances/${performanceId}/seats`, conditional)
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

/** Dates and balances: gated reads, for which the gate decides from memory for a second. */
export const httpDates = (connections: number, target: number): Scenario =>
  http({
    name: "dates over HTTP",
    connections,
    target,
    prepare: async (world, server) => {
      await world.addPerformance(10)
      return readRound(world, server, "/v1/shows/bench/dates")
    }
  })

export const httpBalance = (connections: number): Scenario =>
  http({
    name: "balance over HTTP",
    connections,
    target: undefined,
    prepare: (world, server) => readRound(world, server, "/v1/wallet")
  })
