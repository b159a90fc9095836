/** Two nodes on one database, one for each kind of store, whose messages can be held. */
import { BoxOfficeStore } from "@boxoffice/core"
import { Effect, ManagedRuntime } from "effect"
import { Database } from "../../../core/src/testing/database/Database.ts"
import type { Session } from "../../../core/src/testing/database/Session.ts"
import { inspect, type Path } from "../../../core/src/testing/MemoryDatabase.ts"
import { makeSchema } from "../../../core/src/testing/memory/schema.ts"
import { makeStore } from "../../../core/src/testing/memory/store.ts"
import { SqlStore } from "../../src/index.ts"
import { atEnd, emptyDatabase, openSql } from "../support.ts"
import { Gate } from "./Gate.ts"
import { openGatedLine } from "./gatedLine.ts"
import { type Holder, holderInMemory, holderOnServer } from "./heldRows.ts"
import { emptied, memorySide, openEngine, type Side, serverSide } from "./sides.ts"

type Store = BoxOfficeStore["Service"]

/** What a node's store was asked. */
interface Heard {
  /** How many times batches were decided. */
  decided: number
  /** The rows that others had locked, of the last two answers since `forget`. */
  locked: ReadonlyArray<ReadonlyArray<string>>
  readonly forget: () => void
}

export interface Node {
  readonly side: Side
  readonly gate: Gate
  readonly heard: Heard
}

export interface Arena {
  readonly nodes: readonly [Node, Node]
  readonly holder: Holder
  /** The nodes that wait for a lock. */
  readonly waiting: () => Promise<ReadonlySet<number>>
  /** Ends the sessions of a node that wait for a lock. */
  readonly kill: (node: number) => Promise<void>
  /** Waits until the server has noticed that the connections of a node are cut. */
  readonly gone: (node: number) => Promise<void>
}

/** A store that notes what it is asked. */
const hearing = (store: Store): { readonly store: Store; readonly heard: Heard } => {
  let round = 0
  const heard: Heard = {
    decided: 0,
    locked: [],
    forget: () => {
      round++
      heard.locked = []
    }
  }
  return {
    heard,
    store: {
      ...store,
      transact: (plan, decide) =>
        store.transact(plan, (rows) => {
          heard.decided++
          return decide(rows)
        }),
      lockedRows: (plan) =>
        Effect.suspend(() => {
          const asked = round
          return Effect.tap(store.lockedRows(plan), (locked) =>
            Effect.sync(() => {
              if (asked !== round || locked.size === 0) return
              heard.locked = [...heard.locked.slice(-1), Array.from(locked.keys()).sort()]
            })
          )
        })
    }
  }
}

const pairOf = Effect.fnUntraced(function* (
  open: (store: Store) => ReturnType<typeof memorySide>,
  stores: ReadonlyArray<Store>,
  gates: ReadonlyArray<Gate>
) {
  const [first, second] = stores.map(hearing)
  const side = yield* open(first!.store)
  const other = { ...side, store: second!.store, context: yield* openEngine(second!.store) }
  return [
    { side, gate: gates[0]!, heard: first!.heard },
    { side: other, gate: gates[1]!, heard: second!.heard }
  ] as const
})

/** A way of the network that takes as long as a promise. */
const path =
  (fateOf: (message: string) => Promise<"delivered" | "lost">): Path =>
  (message, arrive) => {
    void fateOf(message).then(arrive)
    return undefined
  }

export const openMemoryArena = (lockTimeoutMs: number) =>
  Effect.gen(function* () {
    const clock = yield* Effect.clockWith((clock) => Effect.succeed(clock))
    let stepMs = 0
    const now = () => clock.currentTimeMillisUnsafe() + stepMs
    const database = new Database({ now })
    const schema = makeSchema(database)
    const sessions: readonly [Set<Session>, Set<Session>] = [new Set(), new Set()]
    const gates = [new Gate(), new Gate()]
    const stores = sessions.map((own, n) => {
      const gate = gates[n]!
      return makeStore({
        server: { database, isRunning: () => true, pause: undefined, clock },
        schema,
        uuid: () => crypto.randomUUID(),
        backsOff: true,
        link: {
          maxConnections: 4,
          lockTimeoutMs,
          toServer: path(async (message) => {
            if (message === "close") return "delivered"
            await gate.leave()
            return message === "save" ? gate.pass("saves") : "delivered"
          }),
          toNode: path(async (message) => {
            if (message === "connected") own.add(Array.from(database.sessions).at(-1)!)
            return message === "save" ? gate.pass("answer") : "delivered"
          })
        }
      })
    })
    const clocks = {
      now,
      stepClock: (ms: number) => {
        stepMs += ms
      }
    }
    const nodes = yield* pairOf((store) => memorySide(clocks, store), stores, gates)
    const waits = (session: Session) => session.waitingFor !== undefined
    const arena: Arena = {
      nodes,
      holder: holderInMemory(database, schema, nodes[0].side),
      waiting: async () => new Set([0, 1].filter((n) => Array.from(sessions[n]!).some(waits))),
      kill: async (n) => {
        for (const session of Array.from(sessions[n]!).filter(waits)) session.end()
      },
      gone: async (n) => {
        const isOpen = ({ isOver, transaction }: Session) => !isOver && transaction !== undefined
        while (Array.from(sessions[n]!).some(isOpen)) await turn()
      }
    }
    return { ...arena, rows: () => inspect(database, schema) }
  })

/** Lets all that can run now go first. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Two nodes on one server, for all histories. */
export const openServerNodes = async (lockTimeoutMs: number) => {
  const url = await emptyDatabase()
  const gates = [new Gate(), new Gate()]
  const lines = [await openGatedLine(url, gates[0]!), await openGatedLine(url, gates[1]!)]
  const stores: Array<Store> = []
  for (const { url } of lines) {
    const layer = SqlStore.layerUrl({
      url,
      migrate: true,
      maxConnections: 4,
      waits: { lockTimeoutMs }
    })
    const runtime = ManagedRuntime.make(layer)
    atEnd(() => runtime.dispose())
    stores.push(await runtime.runPromise(BoxOfficeStore))
  }
  const sql = openSql(url)
  const holding = openSql(url)
  const portsOf = (n: number) => `ANY('{${Array.from(lines[n]!.ports).join()}}'::int[])`
  const ofRows = "locktype IN ('tuple', 'transactionid', 'advisory', 'spectoken')"
  const waiters = (n: number) => `FROM pg_stat_activity JOIN pg_locks USING (pid)
    WHERE client_port = ${portsOf(n)} AND NOT granted AND ${ofRows}`

  const empty = await emptied(sql)
  const open = Effect.gen(function* () {
    yield* Effect.promise(empty)
    const nodes = yield* pairOf((store) => serverSide(sql, store), stores, gates)
    const arena: Arena = {
      nodes,
      holder: holderOnServer(holding, nodes[0].side),
      waiting: async () => {
        const found = await sql<{ node: number }>(
          `SELECT 0 AS node ${waiters(0)} UNION ALL SELECT 1 ${waiters(1)}`
        )
        return new Set(found.map(({ node }) => node))
      },
      kill: async (n) => {
        const killed = await sql<{ pid: number }>(
          `SELECT pid, pg_terminate_backend(pid) ${waiters(n)}`
        )
        const pids = killed.map(({ pid }) => pid).join()
        await untilNone(`pid = ANY('{${pids}}'::int[])`)
      },
      gone: (n) => untilNone(`client_port = ${portsOf(n)} AND state = 'idle in transaction'`)
    }
    return arena
  })
  const untilNone = async (condition: string) => {
    for (;;) {
      const left = await sql(`SELECT 1 FROM pg_stat_activity WHERE ${condition}`)
      if (left.length === 0) return
    }
  }
  return { sql, open }
}
export type ServerNodes = Awaited<ReturnType<typeof openServerNodes>>
