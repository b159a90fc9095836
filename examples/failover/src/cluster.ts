/**
 * Three database nodes under Patroni, with etcd, HAProxy and PgBouncer, on free ports of loopback.
 * `config/` has the settings, and says which of them matter.
 */

import { randomUUID } from "node:crypto"
import pg from "pg"
import { type DatabaseNode, type Member, startDatabaseNode } from "./databaseNode.ts"
import { programOf } from "./packages.ts"
import { startPooler } from "./pooler.ts"
import { configure, freePorts, makeDirectory, startProgram, waitFor } from "./processes.ts"

export interface ClusterOptions {
  /** Seconds: see `config/patroni.yml`. */
  readonly ttl: number
  readonly loopWait: number
  readonly retryTimeout: number
  /** Whether a commit waits for a standby. Default `true`; without it a failover loses payments. */
  readonly synchronous?: boolean
}

export interface Cluster {
  readonly directory: string
  readonly nodes: ReadonlyArray<DatabaseNode>
  /** The URL of the leader, for the superuser. */
  readonly url: string
  /** By which way a node of Box Office reaches the leader. */
  readonly urlBy: (way: Way) => string
  readonly urlOf: (node: DatabaseNode) => string
  /** Waits until there is a leader with two standbys, one of them synchronous. */
  readonly whole: (seconds?: number) => Promise<DatabaseNode>
}

/** Straight to HAProxy, or through PgBouncer in one of its modes. */
export const ways = ["haproxy", "session", "transaction"] as const
export type Way = (typeof ways)[number]

/** The role that the nodes of Box Office connect as: it owns nothing. */
export const appRole = "boxoffice_app"

export const startCluster = async (
  options: ClusterOptions,
  print: (line: string) => void
): Promise<Cluster> => {
  const directory = makeDirectory()
  const password = randomUUID()
  const [writerPort, poolerPort, ...rest] = (await freePorts(14)) as [
    number,
    number,
    ...Array<number>
  ]
  const names = ["node1", "node2", "node3"]
  const members = names.map((name, index): Member => {
    const [port, restPort, etcdPort, peerPort] = rest.slice(4 * index) as [
      number,
      number,
      number,
      number
    ]
    return { name, port, restPort, etcdPort, peerPort }
  })
  const settings = { ...options, synchronous: options.synchronous ?? true, directory, password }
  const nodes = members.map((member) => startDatabaseNode(member, members, settings))

  const configured = configure(directory, "haproxy.cfg", "haproxy.cfg", {
    writerPort,
    servers: nodes
      .map(
        ({ name, port, restPort }) => `    server ${name} 127.0.0.1:${port} check port ${restPort}`
      )
      .join("\n")
  })
  startProgram({
    name: "haproxy",
    directory,
    command: [programOf("haproxy"), "-db", "-f", configured]
  })
  startPooler({
    directory,
    writerPort,
    poolerPort,
    database: "boxoffice",
    appRole,
    password,
    queryWaitSeconds: 15
  })

  const urlAt = (port: number, database: string, role: string) =>
    `postgres://${role}:${password}@127.0.0.1:${port}/${database}`
  const urlOf = ({ port }: DatabaseNode) => urlAt(port, "postgres", "postgres")
  const leader = async () => {
    const are = await Promise.all(nodes.map(({ restPort }) => isLeader(restPort)))
    return nodes.find((_, index) => are[index])
  }
  const cluster: Cluster = {
    directory,
    nodes,
    url: urlAt(writerPort, "boxoffice", "postgres"),
    urlBy: (way) =>
      way === "haproxy"
        ? urlAt(writerPort, "boxoffice", appRole)
        : urlAt(poolerPort, `boxoffice_${way}`, appRole),
    urlOf,
    whole: (seconds = 180) =>
      waitFor(
        "a leader with two standbys",
        async () => {
          const found = await leader()
          if (found === undefined) return undefined
          return (await hasStandbys(urlOf(found), found, options.synchronous ?? true))
            ? found
            : undefined
        },
        { seconds, everyMs: 250 }
      )
  }
  print("three nodes of etcd, Patroni and Postgres are starting")
  const first = await cluster.whole()
  print(`${first.name} is the leader`)
  await query(urlOf(first), "CREATE DATABASE boxoffice ENCODING 'UTF8' TEMPLATE template0")
  await query(urlOf(first), `CREATE ROLE ${appRole} LOGIN PASSWORD '${password}'`)
  return cluster
}

/** Whether Patroni says that its node is the leader, as HAProxy asks. */
const isLeader = async (restPort: number): Promise<boolean> => {
  try {
    const signal = AbortSignal.timeout(1_000)
    const { status } = await fetch(`http://127.0.0.1:${restPort}/primary`, {
      method: "OPTIONS",
      signal
    })
    return status === 200
  } catch {
    return false
  }
}

/** Whether two standbys follow and, in a synchronous cluster, Patroni has named one of them. */
const hasStandbys = async (url: string, { restPort }: DatabaseNode, synchronous: boolean) => {
  try {
    const [row] = await query(
      url,
      "SELECT count(*)::int AS n FROM pg_stat_replication WHERE state = 'streaming'"
    )
    if (row?.n !== 2) return false
    if (!synchronous) return true
    const answer = await fetch(`http://127.0.0.1:${restPort}/cluster`, {
      signal: AbortSignal.timeout(1_000)
    })
    const { members } = (await answer.json()) as { members: ReadonlyArray<{ role: string }> }
    return members.length === 3 && members.some(({ role }) => role === "sync_standby")
  } catch {
    return false
  }
}

/** Runs one statement on a connection of its own. */
export const query = async (
  connectionString: string,
  statement: string,
  values: Array<unknown> = []
): Promise<ReadonlyArray<Record<string, unknown>>> => {
  const client = new pg.Client({ connectionString, connectionTimeoutMillis: 5_000 })
  // A connection that is cut while it is idle says so here; a statement on it fails by itself.
  client.on("error", () => {})
  await client.connect()
  try {
    return (await client.query(statement, values)).rows
  } finally {
    await client.end()
  }
}
