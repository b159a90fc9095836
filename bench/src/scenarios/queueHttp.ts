/**
 * The waiting room over HTTP: joins and polls, and the effect of the queue's length on the server.
 */
import { residentMb } from "../cpu.ts"
import { startServer } from "../http/processes.ts"
import type { Scenario } from "../scenario.ts"
import { signingKey, type World } from "../world.ts"
import { ask, head, http, measure, rated } from "./http.ts"

/**
 * More than the number of tokens that a server caches, so that it verifies the signature of each
 * poll: of a million users who poll every half minute, none is among the last ones in the cache.
 */
const pollersMax = 150_000
const joinsPerRound = 150_000
const shortLine = 1_000

const pathOf = (queueId: string) => `/v1/queues/${queueId}/token`

/** Polls by waiting users from the whole queue; consecutive polls come from distant positions. */
const pollsOf = (world: World, queueId: string, ended: number, waiting: number) => {
  const count = Math.min(waiting, pollersMax)
  const step = Math.floor(waiting / count)
  const requests = Array.from({ length: count }, (_, i) => {
    const n = ended + 1 + ((i * 7_919) % count) * step
    return `${head(`GET ${pathOf(queueId)}`, world.waiter(queueId, n))}\r\n`
  })
  return { requests, repeat: true, status: "200" }
}

/** A long queue with as many ended tokens. Polls change nothing, so the rows share one queue. */
const longLine = (world: World, size: number): Promise<string> => {
  const queueId = longLines.get(world) ?? world.addQueue({ waiting: size, ended: size })
  longLines.set(world, queueId)
  return queueId
}
const longLines = new WeakMap<World, Promise<string>>()

type Measured = Awaited<ReturnType<typeof measure>>

/**
 * The maximum of transactions: the node reads the queue once a second, for any number of polls, and
 * sweeps.
 */
const transactionsPerSecondMax = 50
const withoutDatabase = ({ transactions, seconds, answers }: Measured) => {
  const perSecond = transactions / seconds
  console.error(`${transactions} transactions of the database beside ${answers} polls`)
  if (perSecond > transactionsPerSecondMax) {
    throw new Error(`${perSecond} transactions a second: the polls have asked the database`)
  }
}

/** Polls of waiting users in a long queue. */
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

/** The waiting users of a queue of the benchmark. */
interface Line {
  readonly queueId: string
  readonly ended: number
  readonly waiting: number
}

/** Compares a load on a long queue with the same load on a short one, on the same server. */
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

/** The same in a long queue. */
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
 * The growth of a server's memory when users from a long queue poll. Before, it was as busy with a
 * short queue, so that memory that Node keeps for any load is not counted; it is printed
 * separately.
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

/** New users for a queue, none of whom has joined it before. */
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

/** Joins of a full queue. */
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

/** The same in a long queue. */
export const httpJoinsGrown = (connections: number, size: number): Scenario =>
  grown({
    name: `joins over HTTP behind ${size} waiting and ${size} ended`,
    against: "behind 1,000 waiting",
    connections,
    size,
    load: (_, { queueId }) => joinsTo(queueId)
  })
