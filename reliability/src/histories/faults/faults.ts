/** The faults, and how each is done. Each begins, lasts, and ends before it resolves. */
import { execFileSync } from "node:child_process"
import { setTimeout as sleep } from "node:timers/promises"
import type pg from "pg"
import type { Random } from "../../random.ts"
import type { Cut } from "../line/line.ts"
import type { Node } from "../world/node.ts"
import { openClient } from "../world/sql.ts"
import type { World } from "../world/world.ts"

export interface FaultKind {
  readonly name: string
  /** Faults of different layers happen at the same time; those of one layer, one after another. */
  readonly layer: "process" | "line"
  /** How many the full form has at least. */
  readonly full: number
  readonly isPossible?: (world: World) => boolean
  /** Whether the run has what it strikes. */
  readonly hasTarget?: (world: World) => boolean
  /** Resolves with what it struck. */
  readonly strike: (world: World, random: Random) => Promise<string>
}

const someNodes = ({ nodes }: World, random: Random): ReadonlyArray<Node> =>
  random.shuffle(nodes).slice(0, random.between(1, nodes.length))
const servingWithinMs = 60_000
const namesOf = (nodes: ReadonlyArray<Node>) => nodes.map(({ name }) => name).join(" ")

const untilServing = async (nodes: ReadonlyArray<Node>) => {
  const from = performance.now()
  while (!nodes.every((node) => node.isServing())) {
    if (performance.now() - from > servingWithinMs) throw new Error("a node does not start")
    await sleep(100)
  }
}

const onLines =
  (
    begin: (node: Node, random: Random) => void,
    lastsMs: readonly [number, number]
  ): FaultKind["strike"] =>
  async (world, random) => {
    const struck = someNodes(world, random)
    for (const node of struck) begin(node, random)
    await sleep(random.between(...lastsMs))
    for (const node of struck) node.line.heal()
    return namesOf(struck)
  }

const cutting = (where: Cut): FaultKind["strike"] =>
  onLines((node, random) => node.line.cut(where, random.between(1, 4)), [1_500, 4_000])

const hourOff = (random: Random) => random.pick([3_600, -3_600])
const signed = (seconds: number) => `${seconds < 0 ? "-" : "+"}1 h`

export const faultKinds: ReadonlyArray<FaultKind> = [
  {
    name: "kill -9 of a node",
    layer: "process",
    full: 50,
    strike: async ({ nodes }, random) => {
      const running = nodes.filter((node) => node.isServing())
      // The clients need one that answers.
      if (running.length < 2) await untilServing(nodes)
      const node = random.pick(running.length < 2 ? nodes : running)
      await node.kill()
      await sleep(random.below(1_500))
      void node.start()
      return node.name
    }
  },
  {
    name: "kill -9 of the postmaster",
    layer: "process",
    full: 20,
    strike: async ({ database }) => {
      await database.kill()
      return "postgres"
    }
  },
  {
    name: "kill -9 of a backend",
    layer: "process",
    full: 20,
    strike: async (world, random) => {
      const backends = await world.sql<{ pid: number }>(`
        SELECT pid FROM pg_stat_activity
        WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
        ORDER BY state IS DISTINCT FROM 'idle' DESC, pid LIMIT 8`)
      if (backends.length > 0) process.kill(random.pick(backends).pid, "SIGKILL")
      await world.untilDatabaseAnswers()
      return "postgres"
    }
  },
  {
    name: "kill -9 of PgBouncer",
    layer: "process",
    full: 6,
    hasTarget: ({ pooler }) => pooler !== undefined,
    strike: async ({ pooler }) => {
      await pooler!.kill()
      return "PgBouncer"
    }
  },
  {
    name: "immediate stop of Postgres",
    layer: "process",
    full: 20,
    strike: async ({ database }) => {
      await database.crash()
      return "postgres"
    }
  },
  {
    name: "node that stands still",
    layer: "process",
    full: 8,
    strike: async ({ nodes }, random) => {
      const node = random.pick(nodes)
      node.pause()
      await sleep(random.between(500, 7_000))
      node.resume()
      return node.name
    }
  },
  {
    name: "full disk",
    layer: "process",
    full: 4,
    isPossible: ({ database }) => database.disk !== undefined,
    strike: async (world, random) => {
      const ballast = `${world.database.disk}/ballast`
      // Takes what there is: the last megabytes are refused, and the disk is full then.
      const fill = `fallocate -l $(df --output=avail -B1 ${world.database.disk} | tail -1) ${ballast}`
      execFileSync("sh", ["-c", `${fill} 2>/dev/null || true`])
      await sleep(random.between(2_000, 6_000))
      execFileSync("rm", ["-f", ballast])
      await world.database.revive()
      await world.untilDatabaseAnswers()
      return "postgres"
    }
  },
  {
    name: "read-only server",
    layer: "process",
    full: 4,
    strike: async ({ setting }, random) => {
      await setting("default_transaction_read_only", "on")
      await sleep(random.between(1_500, 5_000))
      await setting("default_transaction_read_only", undefined)
      return "postgres"
    }
  },
  {
    name: "full server: no connection is free",
    layer: "process",
    full: 4,
    strike: async ({ nodes, database }, random) => {
      for (const { line } of nodes) line.reset()
      const taken: Array<pg.Client> = []
      const take = () => openClient(database.url).then((client) => taken.push(client))
      for (let isFull = false; !isFull; ) {
        const tried = await Promise.allSettled(Array.from({ length: 10 }, take))
        isFull = tried.some(({ status }) => status === "rejected")
      }
      await sleep(random.between(1_500, 4_000))
      await Promise.allSettled(taken.map((client) => client.end()))
      return "postgres"
    }
  },
  {
    name: "full pool: a table is locked",
    layer: "process",
    full: 4,
    strike: async ({ database }, random) => {
      const table = random.pick(["seat", "wallet", "queue_token", "queue", "outbox"])
      const client = await openClient(database.url)
      await client.query("BEGIN")
      await client.query(`LOCK TABLE boxoffice.${table} IN ACCESS EXCLUSIVE MODE`)
      await sleep(random.between(1_500, 6_000))
      await client.query("ROLLBACK").catch(() => {})
      await client.end().catch(() => {})
      return table
    }
  },
  {
    name: "clock of the database by an hour",
    layer: "process",
    full: 4,
    isPossible: ({ clock }) => clock !== undefined,
    strike: async ({ clock }, random) => {
      const by = hourOff(random)
      clock!.set(by)
      await sleep(random.between(2_000, 6_000))
      clock!.set(0)
      return signed(by)
    }
  },
  {
    name: "clock of a node by an hour",
    layer: "process",
    full: 6,
    isPossible: ({ clock }) => clock !== undefined,
    strike: async ({ nodes }, random) => {
      const node = random.pick(nodes)
      const by = hourOff(random)
      node.clock!.set(by)
      await sleep(random.between(2_000, 6_000))
      node.clock!.set(0)
      return `${node.name} ${signed(by)}`
    }
  },
  { name: "cut before COMMIT", layer: "line", full: 30, strike: cutting("before COMMIT") },
  { name: "cut after COMMIT", layer: "line", full: 30, strike: cutting("after COMMIT") },
  {
    name: "silence of the connections that there are",
    layer: "line",
    full: 8,
    strike: onLines(({ line }) => line.silence("existing"), [500, 2_000])
  },
  {
    name: "silence of the whole line",
    layer: "line",
    full: 8,
    strike: onLines(({ line }) => line.silence("all"), [1_000, 8_000])
  },
  {
    name: "slow line",
    layer: "line",
    full: 8,
    strike: onLines(({ line }, random) => line.slowDown(random.between(10, 250)), [2_000, 5_000])
  },
  {
    name: "reset of all connections",
    layer: "line",
    full: 12,
    strike: onLines(({ line }) => line.reset(), [100, 1_000])
  }
]
