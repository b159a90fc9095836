/** The waiting room over HTTP: joining it, asking about it, and what its length costs the server. */
import { residentMb } from "../cpu.ts"
import { startServer } from "../http/processes.ts"
import type { Scenario } from "../scenario.ts"
import { signingKey, type World } from "../world.ts"
import { ask, head, http, measure, rated } from "./http.ts"

/**
 * More than the tokens that a server knows by heart, so that each that comes is verified: of a
 * million who ask every half minute, none is among the last ones that were seen.
 */
const pollersMax = 150_000
const joinsPerRound = 150_000
const shortLine = 1_000

const pathOf = (queueId: string) => `/v1/queues/${queueId}/token`

/** Polls of people from all over the line, those of one second from far apart. */
const pollsOf = (world: World, queueId: string, ended: number, waiting: number) => {
  const count = Math.min(waiting, pollersMax)
  const step = Math.floor(waiting / count)
  const requests = Array.from({ length: count }, (_, i) => {
    const n = ended + 1 + ((i * 7_919) % count) * step
    return `${head(`GET ${pathOf(queueId)}`, world.waiter(queueId, n))}\r\n`
  })
  return { requests, repeat: true, status: "200" }
}

/** A long line with as many ended tokens behind it. Polls change nothing, so that one will do. */
const longLine = (world: World, size: number): Promise<string> => {
  const queueId = longLines.get(world) ?? world.addQueue({ waiting: size, ended: size })
  longLines.set(world, queueId)
  return queueId
}
const longLines = new WeakMap<World, Promise<string>>()

type Measured = Awaited<ReturnType<typeof measure>>

/** The queue is read once a second, and there is the sweeper: that many, however many ask. */
const transactionsPerSecondMax = 50
const withoutDatabase = ({ transactions, seconds, answers }: Measured) => {
  const perSecond = transactions / seconds
  console.error(`${transactions} transactions of the database beside ${answers} polls`)
  if (perSecond > transactionsPerSecondMax) {
    throw new Error(`${perSecond} transactions a second: the polls have asked the database`)
  }
}

/** Polls of people who wait in a long line. */
export const httpPolls = (connections: number, size: number, target: number): Scenario =>
  http({
    name: `polls over HTTP with ${size} waiting`,
    connections,
    target,
    prepare: async (world, server) => {
      const queueId = await longLine(world, size)
      const { body } = await ask(server, pathOf(queueId), world.waiter(queueId, size + 1))
      const load = pollsOf(world, queueId, size, size)
      return { ...load, bare: { requests: load.requests, post: {}, get: body } }
    },
    check: withoutDatabase
  })

/** Who waits in a line of the benchmark. */
interface Line {
  readonly queueId: string
  readonly ended: number
  readonly waiting: number
}

/** A load on a long line, beside the same on a short one on the same server. */
const grown = (options: {
  readonly name: string
  readonly against: string
  readonly connections: number
  readonly size: number
  readonly load: (world: World, line: Line) => Parameters<typeof measure>[2]
  readonly check?: (measured: Measured) => void
}): Scenario => ({
  name: options.name,
  callers: options.connections,
  against: options.against,
  by: "rate",
  target: 0.85,
  round: async (world, { seconds }) => {
    const { connections, size, load, check } = options
    const server = await startServer(world.url, signingKey)
    try {
      const short = await world.addQueue({ waiting: shortLine })
      const long = await longLine(world, size)
      const run = (line: Line) =>
        measure(world, server, load(world, line), { connections, seconds })
      const reference = await run({ queueId: short, ended: 0, waiting: shortLine })
      const subject = await run({ queueId: long, ended: size, waiting: size })
      check?.(reference)
      check?.(subject)
      return { subject: rated(subject), reference: rated(reference) }
    } finally {
      server.stop()
    }
  }
})

/** The same behind a long line. */
export const httpPollsGrown = (connections: number, size: number): Scenario =>
  grown({
    name: `polls over HTTP with ${size} waiting and ${size} ended`,
    against: "with 1,000 waiting",
    connections,
    size,
    load: (world, { queueId, ended, waiting }) => pollsOf(world, queueId, ended, waiting),
    check: withoutDatabase
  })

/**
 * How much a server grows when people from all over a long line ask. It has been just as busy with
 * a short one before: what Node keeps for any load is said beside, and is not the line's.
 */
export const httpPollMemory = (connections: number, size: number, barMb: number): Scenario => ({
  name: `memory of the server with ${size} waiting`,
  callers: connections,
  against: `${barMb} MB`,
  by: "memory",
  target: 1,
  round: async (world, { seconds }) => {
    const short = await world.addQueue({ waiting: shortLine })
    const long = await longLine(world, size)
    const server = await startServer(world.url, signingKey)
    try {
      const job = { connections, seconds }
      const idle = residentMb(server.pid)
      await measure(world, server, pollsOf(world, short, 0, shortLine), job)
      const before = residentMb(server.pid)
      const measured = await measure(world, server, pollsOf(world, long, size, size), job)
      const after = residentMb(server.pid)
      const megabytes = [idle, before, after].map((mb) => `${mb.toFixed(0)} MB`)
      console.error(`idle, with a short and with the long line: ${megabytes.join(", ")}`)
      const bar = { perSecond: Number.NaN, p50Ms: Number.NaN, p99Ms: Number.NaN, grownMb: barMb }
      return { subject: { ...rated(measured), grownMb: after - before }, reference: bar }
    } finally {
      server.stop()
    }
  }
})

/** New people for a queue, none of whom has come before. */
const joinsTo = (queueId: string) => {
  const newcomer = ++newcomers
  const requests = Array.from(
    { length: joinsPerRound },
    (_, n) =>
      `POST ${pathOf(queueId)} HTTP/1.1\r\nhost: bench\r\nx-user-id: j${newcomer}-${n}\r\n\r\n`
  )
  return { requests, repeat: false, status: "201" }
}
let newcomers = 0

/** New places in a queue that is full. */
export const httpJoins = (connections: number, target: number): Scenario =>
  http({
    name: "joins over HTTP",
    connections,
    target,
    prepare: async (world, server) => {
      const queueId = await world.addQueue({ waiting: 0 })
      const load = joinsTo(queueId)
      const first = { userId: "first", queueToken: "" }
      const { body } = await ask(server, pathOf(queueId), first, { method: "POST" })
      return { ...load, bare: { requests: load.requests, post: JSON.parse(body), get: "" } }
    }
  })

/** The same behind a long line. */
export const httpJoinsGrown = (connections: number, size: number): Scenario =>
  grown({
    name: `joins over HTTP behind ${size} waiting and ${size} ended`,
    against: "behind 1,000 waiting",
    connections,
    size,
    load: (_, { queueId }) => joinsTo(queueId)
  })
