/** Kills the leader again and again under load, and checks what the callers were told. */
import { Caller } from "./ask.ts"
import { differences, missedBy } from "./checks.ts"
import {
  type Cluster,
  type ClusterOptions,
  query,
  startCluster,
  type Way,
  ways
} from "./cluster.ts"
import { consume, receiveWebhooks } from "./consumers.ts"
import { type Fault, inject } from "./faults.ts"
import { Load } from "./load.ts"
import { migrate, runBoxoffice, type ServingNode, startNode } from "./nodes.ts"
import { Charges, promotionOf, RawWrites } from "./outage.ts"
import { copyLogs, removeEverything, waitFor } from "./processes.ts"
import type { Round } from "./report.ts"
import { addPerformance, openSale } from "./sale.ts"

export interface RunOptions extends ClusterOptions {
  readonly times: number
  /** One after the other, and again. */
  readonly faults: ReadonlyArray<Fault>
  readonly print: (line: string) => void
  /** A directory that gets the logs of every process at the end. */
  readonly logs?: string | undefined
}

export interface Outcome {
  readonly rounds: ReadonlyArray<Round>
  /** Acknowledged and not there, there and not asked for, or different from what was answered. */
  readonly differences: ReadonlyArray<string>
  /** What no caller, consumer or operator may see. */
  readonly faults: ReadonlyArray<string>
  readonly counts: Readonly<Record<string, number>>
}

const buyers = 6
const seatsPerRound = 4_000

/** Brings a cluster up, runs all rounds on it, and removes it. */
export const runFailovers = async (options: RunOptions): Promise<Outcome> => {
  try {
    return await onCluster(await startCluster(options, options.print), options)
  } finally {
    if (options.logs !== undefined) copyLogs(options.logs)
    removeEverything()
  }
}

const onCluster = async (cluster: Cluster, options: RunOptions): Promise<Outcome> => {
  const { print, times } = options
  await migrate(cluster)
  await query(cluster.url, "CREATE TABLE public.raw_write (at timestamptz DEFAULT now())")
  const webhooks = await receiveWebhooks()
  const start = (way: Way) =>
    startNode(cluster, `boxoffice-${way}`, way, { ...webhooks.environment })
  const nodes = await Promise.all(ways.map(start))
  const consumers = [webhooks.consumer, await consume(cluster.urlBy("haproxy"))]
  const caller = new Caller(nodes.map(({ url }) => url))
  await openSale(nodes[0]!.url)
  const seatIds = await addPerformance(nodes[0]!.url, "gala-0", seatsPerRound)
  const load = new Load(caller, { performanceId: "gala-0", seatIds, next: 0 }, buyers)
  const charges = await Promise.all(nodes.map((node) => Charges.begin(node, caller, load.record)))
  const raw = new RawWrites(cluster)
  print(`${nodes.length} nodes serve ${buyers} buyers`)

  const rounds: Array<Round> = []
  const faults: Array<string> = []
  for (let n = 0; n < times; n++) {
    const fault = options.faults[n % options.faults.length]!
    const round = await failOver(cluster, options, fault, charges, raw)
    rounds.push(round)
    print(`${String(n + 1).padStart(2)}/${times} ${lineOf(round)}`)
    await cluster.whole()
    faults.push(...(await verify(cluster)))
    // A new one for each round, so that no seat map grows without end.
    const performanceId = `gala-${n + 1}`
    load.onSale = {
      performanceId,
      seatIds: await addPerformance(nodes[0]!.url, performanceId, seatsPerRound),
      next: 0
    }
  }

  print("every call is resolved, and compared with the database")
  await load.end()
  const unknown = await Promise.all(charges.map((each) => each.resolve()))
  await raw.end()
  const { record } = load
  const different = await differences(cluster, record)
  for (const consumer of consumers) faults.push(...(await missedBy(cluster, consumer)))
  for (const { stop } of consumers) await stop()
  for (const node of nodes) faults.push(...(await endOf(node)))
  faults.push(...(await verify(cluster)), ...caller.faults, ...record.faults)
  const { attempts } = caller
  const longest = Math.max(...attempts.map(({ from, to }) => to - from))
  return {
    rounds,
    differences: different,
    faults,
    counts: {
      calls: attempts.length,
      "answered 503": attempts.filter(({ status }) => status === 503).length,
      "answered 429": attempts.filter(({ status }) => status === 429).length,
      "answered by the first attempt's record": record.replayed,
      "charges left unknown, and resolved by their key": unknown.reduce((a, b) => a + b),
      "transfers acknowledged": record.transfers.size,
      "reservations acknowledged": record.reservations.size,
      "holds refused": record.refused,
      "events received": consumers[0]!.received.ids.size,
      "events received twice": consumers.reduce((sum, { received }) => sum + received.repeated, 0),
      "longest silence of a consumer in ms": Math.round(
        Math.max(...consumers.map(({ received }) => received.longestSilenceMs))
      ),
      "longest call in ms": Math.round(longest)
    }
  }
}

const failOver = async (
  cluster: Cluster,
  options: RunOptions,
  fault: Fault,
  charges: ReadonlyArray<Charges>,
  raw: RawWrites
): Promise<Round> => {
  const leader = await cluster.whole()
  await waitFor(
    "writes at a steady rate",
    () => charges.every((each) => each.isSteady(0)) || undefined,
    { seconds: 120 }
  )
  const { at, repair } = await inject(fault, cluster, leader)
  const seconds = 2 * options.ttl + 60
  const promotedAt = await promotionOf(cluster, leader, seconds)
  if (fault === "freeze") await repair()
  const waiting = () => [raw, ...charges].filter((each) => !each.isSteady(promotedAt))
  await waitFor(
    () => `writes after a failover, by ${waiting().map(({ way }) => way)}`,
    () => waiting().length === 0 || undefined,
    { seconds: 180 }
  )
  if (fault !== "freeze") await repair()
  const rawGap = raw.longestGap(at)
  const gaps = charges.map((each) => [each.way, each.longestGap(at)] as const)
  const byWay = (value: (gap: { from: number; to: number }) => number) =>
    Object.fromEntries(gaps.map(([way, gap]) => [way, value(gap) / 1_000])) as Record<Way, number>
  return {
    fault,
    promotion: (promotedAt - at) / 1_000,
    raw: (rawGap.to - rawGap.from) / 1_000,
    outage: byWay(({ from, to }) => to - from),
    share: byWay(({ to }) => to - rawGap.to)
  }
}

const verify = (cluster: Cluster): Promise<ReadonlyArray<string>> =>
  runBoxoffice(cluster, "verify").then(
    () => [],
    (error) => [`boxoffice verify: ${error.stdout || error.message}`]
  )

/** A node that has ended before it was asked to has not reconnected by itself. */
const endOf = async ({ way, program }: ServingNode): Promise<ReadonlyArray<string>> => {
  const hasRun = program.isRunning()
  await program.end("SIGTERM")
  return hasRun ? [] : [`the node by ${way} has ended by itself`]
}

const lineOf = ({ fault, promotion, raw, outage }: Round): string =>
  [
    fault.padEnd(10),
    `new leader after ${promotion.toFixed(1)} s; no write for ${raw.toFixed(1)} s by SQL,`,
    ways.map((way) => `${outage[way].toFixed(1)} s by ${way}`).join(", ")
  ].join(" ")
