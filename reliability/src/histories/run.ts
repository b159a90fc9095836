/** One run: a world, clients that use it, faults that strike it, and what is left at the end. */
import { mkdirSync, rmSync } from "node:fs"
import { setTimeout as sleep } from "node:timers/promises"
import { Random } from "../random.ts"
import { makeBanker, makeBuyer } from "./clients/buyer.ts"
import { Caller, timeoutMs } from "./clients/caller.ts"
import { type Client, Hand } from "./clients/client.ts"
import { makeCrowd } from "./clients/crowd.ts"
import { byPolls, byStreams } from "./clients/follow.ts"
import { makeOperator } from "./clients/operator.ts"
import { makeVisitor } from "./clients/visitor.ts"
import { encryptedConnections, type LogFact, readFacts } from "./facts.ts"
import { planFaults, strikeAll } from "./faults/plan.ts"
import { HistoryLog } from "./history.ts"
import type { Line } from "./line/line.ts"
import { resolveOpen } from "./resolve.ts"
import { isPoolerPossible, pooledOf } from "./world/pooler.ts"
import { holdSeconds } from "./world/settings.ts"
import { consumers, openWorld, type World } from "./world/world.ts"

export interface RunOptions {
  readonly seed: number
  readonly isFull: boolean
  /** When to stop striking, whatever is left of the plan. */
  readonly minutes: number
  readonly file: string
  /** Only faults whose names contain this. */
  readonly faults: string
  /** Whether Postgres has TLS, and nodes use it. */
  readonly tls: boolean
  /** Whether some nodes reach Postgres by PgBouncer. */
  readonly pooler: boolean
  readonly say: (text: string) => void
}

/** How long the load goes on after the faults: longer than their aftermath in `checker/evidence.ts`. */
const calmMs = 27_000
/** Within which time of the faults' end a node must be ready, a client served, an event delivered. */
const limits = { readyMs: 30_000, servedMs: 120_000, deliveredMs: 120_000 }

const countsOf = (isFull: boolean) =>
  isFull
    ? { servers: 3, embedded: 2, buyers: 18, bankers: 4, visitors: 12, crowds: 2, crowd: 10 }
    : { servers: 2, embedded: 1, buyers: 8, bankers: 2, visitors: 6, crowds: 1, crowd: 8 }

export const run = async (options: RunOptions): Promise<void> => {
  const { seed, isFull, say } = options
  const random = new Random(seed)
  const counts = countsOf(isFull)
  const named = (kind: string, count: number) =>
    Array.from({ length: count }, (_, n) => `${kind}-${n + 1}`)
  const buyers = named("buyer", counts.buyers)
  const nodes = [...named("server", counts.servers), ...named("embedded", counts.embedded)]
  const pooled = options.pooler && isPoolerPossible(say) ? pooledOf(nodes) : []
  const log = new HistoryLog(options.file, {
    seed,
    nodes,
    consumers,
    timeoutMs,
    holdSeconds,
    startedAt: new Date().toISOString(),
    tls: options.tls,
    pooled
  })
  say(`${nodes.join(", ")} are starting`)
  const logs = `${options.file}.logs`
  rmSync(logs, { recursive: true, force: true })
  mkdirSync(logs)
  const world = await openWorld({
    nodes,
    pooled,
    tls: options.tls,
    log,
    random,
    clients: buyers,
    logs
  })
  try {
    const repeats = { share: 0.15 }
    const caller = new Caller({ log, nodes: world.nodes, repeats })
    const handOf = (client: string, user: string) =>
      new Hand({ caller, client, user, random: random.fork() })
    const clients: ReadonlyArray<Client> = [
      // The first two are the same user in two windows.
      ...buyers.map((name, n) => makeBuyer(name, handOf(name, n === 1 ? "buyer-1" : name))),
      // Two clients charge each wallet.
      ...named("banker", counts.bankers).map((name, n) =>
        makeBanker(name, handOf(name, `bank-${n >> 1}`))
      ),
      // Every second one follows their position by event streams.
      ...named("visitor", counts.visitors).map((name, n) =>
        makeVisitor(name, handOf(name, name), n % 2 === 0 ? byPolls : byStreams)
      ),
      ...named("crowd", counts.crowds).map((name) =>
        makeCrowd(
          name,
          handOf(name, "operator"),
          named(name, counts.crowd).map((user) => handOf(user, user))
        )
      ),
      makeOperator("operator", handOf("operator", "operator"))
    ]

    let isOver = false
    const rounds = clients.map(async (client) => {
      while (!isOver) await client.round()
    })
    await strike(world, random, options)
    say("the faults are over")
    await untilReady(world, say)
    say(
      `the load goes on for ${calmMs / 1_000} s without faults, so that reads are judged by their age`
    )
    await sleep(calmMs)
    isOver = true
    repeats.share = 0
    world.receiver.behave()
    await Promise.all(rounds)
    await caller.settled()

    await prove(world, clients, say)
    const resolved = await resolveOpen(caller, random)
    say(`${resolved} calls whose outcome was unknown were sent once more`)
    const batch = await untilDelivered(world, say)
    await world.stopNodes()
    const facts = await readFacts(world.sql, world.database.url, world.database.logFile)
    log.facts({ ...facts, due: [{ batch }], log: [...facts.log, ...ofLines(world)] })
    log.endOfRun()
  } finally {
    await world.close()
    await log.close()
  }
}

const strike = async (world: World, random: Random, options: RunOptions) => {
  const { minutes, say } = options
  const plan = planFaults(world, random, options)
  for (const { name } of plan.impossible) say(`NOT POSSIBLE on this machine, and left out: ${name}`)
  const startedAt = performance.now()
  const total = plan.process.length + plan.line.length
  let struck = 0
  const striking = {
    isOver: () => performance.now() - startedAt > minutes * 60_000,
    onFault: (text: string) => say(`fault ${++struck} of ${total}: ${text}`)
  }
  await sleep(2_000)
  await Promise.all([
    strikeAll(world, plan.process, random.fork(), striking),
    strikeAll(world, plan.line, random.fork(), striking)
  ])
}

const ofLines = ({ nodes }: World): ReadonlyArray<LogFact> => {
  const sum = (of: (line: Line) => number) => nodes.reduce((sum, { line }) => sum + of(line), 0)
  return [
    { text: "connections cut before COMMIT", count: sum(({ cuts }) => cuts["before COMMIT"]) },
    { text: "connections cut after COMMIT", count: sum(({ cuts }) => cuts["after COMMIT"]) },
    { text: encryptedConnections, count: sum((line) => line.encrypted()) }
  ]
}

/** Notes whether something was reached in time, and how long it took. */
const reach = async (
  world: World,
  name: string,
  limitMs: number,
  isReached: () => Promise<boolean>
): Promise<boolean> => {
  const from = performance.now()
  let reached = false
  do {
    reached = await isReached().catch(() => false)
    if (!reached) await sleep(200)
  } while (!reached && performance.now() - from < limitMs)
  const tookMs = Math.round(performance.now() - from)
  world.log.add({ progress: name, at: world.log.now(), tookMs, limitMs, reached })
  return reached
}

const untilReady = async (world: World, say: (text: string) => void) => {
  for (const { line } of world.nodes) line.heal()
  await world.untilDatabaseAnswers()
  const ready = await Promise.all(
    world.nodes.map((node) => reach(world, `${node.name} is ready`, limits.readyMs, node.isReady))
  )
  say(`${ready.filter(Boolean).length} of ${ready.length} nodes are ready`)
}

/** Every client that can be served is served. */
const prove = async (world: World, clients: ReadonlyArray<Client>, say: (text: string) => void) => {
  const served = await Promise.all(
    clients.map(async ({ name, proof }) => {
      const from = performance.now()
      const reached = await proof()
      const tookMs = Math.round(performance.now() - from)
      const inTime = reached && tookMs <= limits.servedMs
      world.log.add({
        progress: `${name} is served`,
        at: world.log.now(),
        tookMs,
        limitMs: limits.servedMs,
        reached: inTime
      })
      return inTime
    })
  )
  say(`${served.filter(Boolean).length} of ${served.length} clients were served`)
}

/**
 * Every event that is committed reaches each consumer. What was to happen at an instant that the clock
 * gave while it was an hour ahead happens when the clock has come there: the harness takes it there.
 * Nodes go on ending what lapses, so the last batch that is waited for is fixed; returns it.
 */
const untilDelivered = async (world: World, say: (text: string) => void): Promise<number> => {
  world.clock?.set(3_700)
  const [last] = await world.sql<{ batch: number }>(
    "SELECT coalesce(max(batch_id), 0)::int4 AS batch FROM boxoffice.outbox_event"
  )
  const { batch } = last!
  const hasAll = async (consumer: string) => {
    const [row] = await world.sql<{ count: number }>(
      "SELECT count(*)::int4 AS count FROM boxoffice.outbox_event WHERE batch_id <= $1",
      [batch]
    )
    return world.log.deliveredTo(consumer, batch) >= row!.count
  }
  for (const consumer of consumers) {
    const name = `the ${consumer} has every event`
    const reached = await reach(world, name, limits.deliveredMs, () => hasAll(consumer))
    say(reached ? name : `NOT REACHED: ${name}`)
  }
  return batch
}
