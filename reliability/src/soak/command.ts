/**
 * `pnpm reliability soak`: two servers on a real Postgres under a steady load, for minutes or hours.
 * Memory, connections, tables, lags and latencies must all stay flat, no answer may be a fault, and
 * at the end every invariant must hold.
 */
import { randomBytes } from "node:crypto"
import { mkdir, writeFile } from "node:fs/promises"
import { cpus } from "node:os"
import { basename, dirname, join } from "node:path"
import { parseArgs } from "node:util"
import { startPostgres } from "../../../test-support/startPostgres.ts"
import { amount, wholeNumber } from "../arguments.ts"
import { exitCodes, usageOf } from "../usage.ts"
import { startCpu } from "./cpu.ts"
import { openSoakDatabase, type SoakDatabase } from "./database.ts"
import { type LoadOptions, putOnSale, sleep, startLoad, type Taken } from "./load.ts"
import { type SoakNode, startNode } from "./node.ts"
import { type Soaked, toReport, verdictOf } from "./report.ts"
import { books, judge, Series } from "./series.ts"
import { startSink } from "./sink.ts"

const usage = usageOf(
  "soak",
  `A steady load for minutes or hours: nothing may grow. A run that is too short to tell is not judged.`,
  [
    ["--minutes N", "how long, 10 by default"],
    ["--hours N", "the same, in hours"],
    ["--visitors N", "visitors at any time, 60 by default"],
    ["--report FILE", "where to write the report, reliability/results/soak.md by default"]
  ]
)

const second = 1_000

export const run = async (args: ReadonlyArray<string>): Promise<number> => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      minutes: { type: "string", default: "10" },
      hours: { type: "string" },
      visitors: { type: "string", default: "60" },
      report: { type: "string", default: "reliability/results/soak.md" },
      help: { type: "boolean", default: false }
    }
  })
  if (values.help) {
    console.log(usage)
    return exitCodes.held
  }
  const seconds =
    values.hours === undefined
      ? amount("minutes", values.minutes) * 60
      : amount("hours", values.hours) * 3_600
  const visitors = wholeNumber("visitors", values.visitors)
  const soaked = await soak({ seconds, visitors })
  const { markdown, plots } = toReport(soaked, basename(values.report, ".md"))
  await mkdir(dirname(values.report), { recursive: true })
  await writeFile(values.report, markdown)
  for (const [file, svg] of Object.entries(plots)) {
    await writeFile(join(dirname(values.report), file), svg)
  }
  const { text, code } = verdictOf(soaked)
  console.log(`${text}\nThe report is ${values.report}`)
  return code
}

export interface SoakOptions {
  readonly seconds: number
  readonly visitors: number
}

/** Rows are kept for so long: the tables reach their size within the warm-up. */
const retentionMs = 60 * second

/** Refusals that the load provokes: seats that are taken, and late users. */
const expected = new Set([
  ...["ok", "seat_unavailable", "hold_expired", "queue_token_expired", "queue_token_required"],
  ...["reservation_not_payable", "limit_exceeded", "queue_token_waiting"]
])

export const soak = async ({ seconds, visitors }: SoakOptions): Promise<Soaked> => {
  // A third of a short run, and five minutes of a long one: retention, caches and the pages that
  // tables and indexes keep have then come to their size.
  const warmUpSeconds = Math.min(seconds / 3, 300)
  const everyMs = Math.max(2, Math.min(30, seconds / 120)) * second
  const server = await startPostgres({
    // So that dead rows of a short run are vacuumed as often as those of a long one, in proportion.
    autovacuum_naptime: "10s"
  })
  const sink = await startSink()
  const nodes: Array<SoakNode> = []
  const database = await openSoakDatabase(server.url)
  try {
    const adminToken = randomBytes(24).toString("hex")
    const environment = environmentOf(server.url, sink.url, adminToken)
    for (let i = 0; i < 2; i++) nodes.push(await startNode(environment))
    const options: LoadOptions = {
      ...{ urls: nodes.map(({ url }) => url), adminToken, visitors },
      refundAfterMs: Math.min(20, seconds / 5) * second,
      ...{ queueId: "soak", showId: "soak", performanceId: "soak-1", seats: 1_000, users: 3_000 }
    }
    await putOnSale(options)
    const load = startLoad(options)
    const series = new Series()
    const codes: Record<string, number> = {}
    const faults: Array<string> = []
    const begun = performance.now()
    const elapsed = () => (performance.now() - begun) / second
    let cleared = 0
    const cpu = startCpu({ nodes: nodes.map(({ pid }) => pid), postmaster: server.pid })
    let bloatBefore: Readonly<Record<string, number>> | undefined
    while (elapsed() < seconds) {
      await sleep(everyMs)
      const at = elapsed()
      cleared += await database.clear(retentionMs)
      series.add(at, await sampleNodes(nodes, faults))
      const measured = await database.measure()
      series.add(at, measured)
      series.add(at, bytesOfBooks(measured))
      const taken = load.take()
      series.add(at, { ...percentiles(taken), ...cpu(taken) })
      for (const [key, count] of Object.entries(taken.codes)) codes[key] = (codes[key] ?? 0) + count
      const requests = Object.values(codes).reduce((sum, count) => sum + count, 0)
      console.error(`${Math.round(at)} s of ${seconds}: ${requests} requests`)
      if (at >= warmUpSeconds) bloatBefore ??= await database.bloat()
      if (faults.length > 0) break
    }
    await load.stop()
    for (const [key, count] of Object.entries(load.take().codes))
      codes[key] = (codes[key] ?? 0) + count
    const behind = await settle(database)
    if (behind > 0) faults.push(`without load, readers stay ${behind} batches behind for a minute`)
    faults.push(...(await database.faults()), ...faultsOf(codes, nodes))
    const bloatAfter = await database.bloat()
    const judgement = judge(series, warmUpSeconds)
    const soaked: Soaked = {
      ...{ seconds: elapsed(), warmUpSeconds, series, ...judgement, codes, faults },
      machine: `${cpus().length} cores (${cpus()[0]?.model ?? "unknown"}), Node ${process.version}`,
      bloat: Object.entries(bloatAfter).map(([name, after]) => [
        name,
        bloatBefore?.[name] ?? 0,
        after
      ]),
      did: {
        requests: Object.values(codes).reduce((sum, count) => sum + count, 0),
        "events consumed": database.consumed(),
        "webhooks taken": sink.taken(),
        "rows and batches deleted by age": cleared,
        samples: series.of("connections").length
      }
    }
    return soaked
  } finally {
    await Promise.all(nodes.map((node) => node.stop()))
    await database.close()
    await sink.stop()
    await server.stop()
  }
}

const environmentOf = (url: string, hook: string, adminToken: string) => ({
  DATABASE_URL: url,
  BOXOFFICE_IDENTITY: "header",
  BOXOFFICE_CHARGES: "user",
  BOXOFFICE_SIGNING_KEYS: `k1:${randomBytes(32).toString("hex")}`,
  BOXOFFICE_ADMIN_TOKEN: adminToken,
  BOXOFFICE_LOG_LEVEL: "warn",
  BOXOFFICE_HOLD_SECONDS: "10",
  BOXOFFICE_SEATS_PER_USER: "1000",
  BOXOFFICE_ENDED_TOKEN_SECONDS: String(retentionMs / second),
  HOOK_SECRET: `whsec_${randomBytes(32).toString("base64")}`,
  BOXOFFICE_WEBHOOKS: JSON.stringify([
    {
      name: "sink",
      url: hook,
      secretVariables: ["HOOK_SECRET"],
      allowPrivate: true,
      retryMs: second
    }
  ])
})

const sampleNodes = async (nodes: ReadonlyArray<SoakNode>, faults: Array<string>) => {
  const measured: Record<string, number> = {}
  for (const [i, node] of nodes.entries()) {
    const inside = await node.sample()
    if (inside === undefined) {
      faults.push(`node ${i} has ended: ${node.errors().slice(-500)}`)
      continue
    }
    measured[`heap ${i}`] = inside.heapUsed
    measured[`external ${i}`] = inside.external
    measured[`rss ${i}`] = inside.rss
    measured[`loop ${i}`] = inside.loopDelayP99Ms
    measured[`descriptors ${i}`] = inside.descriptors
  }
  return measured
}

/** Bytes a row of what is kept for ever. */
const bytesOfBooks = (measured: Readonly<Record<string, number>>) =>
  Object.fromEntries(
    [...books].map((name) => [
      `bytes a row of ${name}`,
      (measured[`table ${name}`]! + measured[`indexes ${name}`]!) /
        Math.max(1, measured[`live ${name}`]!)
    ])
  )

const percentiles = ({ latencies }: Taken) => {
  const measured: Record<string, number> = {}
  for (const [operation, values] of Object.entries(latencies)) {
    const sorted = values.toSorted((a, b) => a - b)
    measured[`p50 ${operation}`] = sorted[Math.floor(sorted.length * 0.5)]!
    measured[`p99 ${operation}`] = sorted[Math.floor(sorted.length * 0.99)]!
  }
  return measured
}

/**
 * Waits until readers have come to the end, for as long as they come closer: a busy machine makes them
 * slow, and only a fault makes them stop. Gives how far behind they are then.
 */
const settle = async (database: SoakDatabase): Promise<number> => {
  let least = Number.POSITIVE_INFINITY
  let closerAt = performance.now()
  while (performance.now() - closerAt < 60 * second) {
    const measured = await database.measure()
    const behind = Object.entries(measured)
      .filter(([name]) => name.startsWith("behind ") || name === "deliveriesWaiting")
      .reduce((sum, [, value]) => sum + value, 0)
    if (behind === 0) return 0
    if (behind < least) {
      least = behind
      closerAt = performance.now()
    }
    await sleep(second)
  }
  return least
}

const faultsOf = (codes: Readonly<Record<string, number>>, nodes: ReadonlyArray<SoakNode>) => [
  ...Object.entries(codes)
    .filter(([key]) => !expected.has(key.slice(key.indexOf(" ") + 1)))
    .map(([key, count]) => `${count} answers: ${key}`),
  ...nodes
    .map((node) => node.errors().trim())
    .filter((errors) => /"level":"(ERROR|FATAL)"|^\s+at /im.test(errors))
    .map((errors) => `a node wrote to its log: ${errors.slice(-500)}`)
]
