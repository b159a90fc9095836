/** Everything that a run is made of: Postgres, the nodes and their lines, the receiver of webhooks. */
import { chmodSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { type PostgresServer, startPostgres } from "../../../../test-support/startPostgres.ts"
import type { Random } from "../../random.ts"
import { openReceiver, type Receiver } from "../clients/receiver.ts"
import type { HistoryLog } from "../history.ts"
import { type Line, openLine } from "../line/line.ts"
import { makeClock, type SettableClock } from "./clocks.ts"
import { makeEmbedded } from "./embedded.ts"
import { type Encrypted, startEncrypted } from "./encrypted.ts"
import type { Node, Way } from "./node.ts"
import { openPooler, type Pooler } from "./pooler.ts"
import { makeServer, secretVariable } from "./server.ts"
import { setUp } from "./setUp.ts"
import { type Sql, sqlOf } from "./sql.ts"

export const consumers = ["consumer", "webhook"] as const

export interface World {
  readonly log: HistoryLog
  readonly database: PostgresServer
  readonly clock: SettableClock | undefined
  readonly sql: Sql
  readonly nodes: ReadonlyArray<Node>
  readonly receiver: Receiver
  readonly pooler: Pooler | undefined
  readonly untilDatabaseAnswers: () => Promise<void>
  /** Changes a setting of the server, or takes the change back. */
  readonly setting: (name: string, value: string | undefined) => Promise<void>
  readonly stopNodes: () => Promise<void>
  readonly close: () => Promise<void>
}

export interface WorldOptions {
  readonly log: HistoryLog
  readonly random: Random
  /** Their names, which begin with their kinds. */
  readonly nodes: ReadonlyArray<string>
  /** Those of them behind PgBouncer. */
  readonly pooled: ReadonlyArray<string>
  readonly tls: boolean
  readonly clients: ReadonlyArray<string>
  /** Where the nodes log. It is kept, beside the history. */
  readonly logs: string
}

const endWithinMs = 30_000

/** Faults of the disk need a file system of their own, which only root can mount. */
const diskOptions = process.getuid?.() === 0 ? { diskMegabytes: 400 } : {}

export const openWorld = async (options: WorldOptions): Promise<World> => {
  const { log, random } = options
  const directory = mkdtempSync(join(tmpdir(), "boxoffice-histories-"))
  // The server's own user reads its clock there.
  chmodSync(directory, 0o755)
  const clock = makeClock(directory, "postgres")
  const settings = {
    max_connections: "60",
    // Before any wait for a lock ends by its own limit, or a deadlock would pass for a busy row.
    deadlock_timeout: "100ms",
    // So that a crash loses what no COMMIT has made durable, and transaction ids come again.
    wal_writer_delay: "10s",
    max_wal_size: "64MB",
    log_lock_waits: "on",
    jit: "off"
  }
  const postgresOptions = { ...diskOptions, ...(clock && { environment: clock.environment }) }
  const encrypted: Encrypted | undefined = options.tls
    ? await startEncrypted(settings, postgresOptions)
    : undefined
  const database = encrypted?.server ?? (await startPostgres(settings, postgresOptions))
  const sql = sqlOf(database.url)
  await setUp(database.url, options.clients)
  const pooler = options.pooled.length > 0 ? await openPooler(database.url) : undefined
  const receiver = await openReceiver(log, "webhook", random.fork())
  const lines: Array<Line> = []
  const nodes: Array<Node> = []
  const onEnd = (name: string, how: string) => {
    const at = log.now()
    log.add({
      progress: `${name} ended by itself: ${how}`,
      at,
      tookMs: 0,
      limitMs: 0,
      reached: false
    })
  }
  /** PgBouncer has no TLS here: the line of a node behind it is a plain one. */
  const openWay = async (isPooled: boolean): Promise<{ line: Line; way: Way }> => {
    if (isPooled) {
      return { line: await openLine(pooler!.url), way: { isPooled, environment: {} } }
    }
    if (encrypted === undefined) {
      return { line: await openLine(database.url), way: { isPooled, environment: {} } }
    }
    const url = new URL(database.url)
    url.searchParams.set("sslmode", "require")
    const line = await openLine(url.href, encrypted.credentials)
    return { line, way: { isPooled, environment: encrypted.environment } }
  }
  const make = async (name: string) => {
    const { line, way } = await openWay(options.pooled.includes(name))
    lines.push(line)
    const clock = makeClock(directory, name)
    const shared = { name, line, way, clock, logs: options.logs, onEnd }
    if (name.startsWith("server")) {
      nodes.push(await makeServer({ ...shared, webhooks: webhooksTo(receiver.url) }))
      return
    }
    const onEvent = (event: { id: string; aggregate: string; type: string }) =>
      log.delivered({ delivered: "consumer", ...event })
    nodes.push(makeEmbedded({ ...shared, consumer: "histories", onEvent }))
  }
  for (const name of options.nodes) await make(name)
  await Promise.all(nodes.map((node) => node.start()))
  if (!nodes.every((node) => node.isServing())) {
    throw new Error(`a node does not start: see ${options.logs}`)
  }

  const untilDatabaseAnswers = async () => {
    for (let attempts = 0; ; attempts++) {
      try {
        await sql("SELECT 1")
        return
      } catch (error) {
        if (attempts === 300) throw error
        await sleep(200)
      }
    }
  }
  return {
    log,
    database,
    clock,
    sql,
    nodes,
    receiver,
    pooler,
    untilDatabaseAnswers,
    setting: async (name, value) => {
      await untilDatabaseAnswers()
      const change = value === undefined ? `RESET ${name}` : `SET ${name} = '${value}'`
      await sql(`ALTER SYSTEM ${change}`)
      await sql("SELECT pg_reload_conf()")
    },
    stopNodes: async () => {
      await Promise.all(
        nodes.map(async (node) => {
          const from = performance.now()
          const reached = await Promise.race([
            node.stop().then(() => true),
            sleep(endWithinMs, false, { ref: false })
          ])
          const tookMs = Math.round(performance.now() - from)
          const progress = `${node.name} ends when it is asked to`
          log.add({ progress, at: log.now(), tookMs, limitMs: endWithinMs, reached })
          await node.kill()
        })
      )
    },
    close: async () => {
      await Promise.all(nodes.map((node) => node.kill()))
      for (const line of lines) line.close()
      receiver.close()
      pooler?.close()
      await database.stop()
      rmSync(directory, { recursive: true, force: true })
    }
  }
}

const webhooksTo = (url: string): string => {
  const endpoint = {
    name: "histories",
    url,
    secretVariables: [secretVariable],
    from: "beginning",
    allowPrivate: true,
    timeoutMs: 2_000,
    attempts: 100,
    retryMs: 200
  }
  return JSON.stringify([endpoint])
}
