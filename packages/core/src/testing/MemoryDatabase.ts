/**
 * A database in memory that behaves as Postgres does, and fails as Postgres does on request: for tests
 * whose input is faults. It runs on Effect's clock and Effect's random numbers, so that a test which
 * seeds both can replay what happened.
 */
import { Clock, Effect, Layer, Random } from "effect"
import { BoxOfficeStore } from "../BoxOfficeStore.ts"
import { Database } from "./database/Database.ts"
import type { Table } from "./database/Table.ts"
import type { NodeLink, Server } from "./memory/connection.ts"
import type { CommittedRows } from "./memory/rows.ts"
import { makeSchema, type Schema } from "./memory/schema.ts"
import { makeStore } from "./memory/store.ts"

export type { NodeLink, Path } from "./memory/connection.ts"
export type { CommittedRows } from "./memory/rows.ts"

export interface MemoryDatabaseOptions {
  /**
   * Called at every point where Postgres may let another session go first: before each statement,
   * before COMMIT is written, before its transaction shows to others, before it is acknowledged, and
   * after a wait. If it gives nothing, which is the default, no other session goes first.
   */
  readonly pause?: (point: string) => Effect.Effect<void> | undefined
  /**
   * Called with each guard that refused a write: the name of the constraint or trigger. A duplicate of a
   * key that `isSharedKey` names is no fault: two nodes were as quick as each other.
   */
  readonly onViolation?: (name: string) => void
}

export interface MemoryDatabase {
  /** A store over connections of its own, as one node has it. */
  readonly layerStore: (node?: NodeLink) => Layer.Layer<BoxOfficeStore>
  /** The database's clock, in milliseconds since 1970: Effect's clock and the steps it has made. */
  readonly now: () => number
  readonly stepClock: (ms: number) => void
  /**
   * Ends sessions: `pick` is given how many there are, and gives the indexes of those to end. Their
   * transactions roll back unless COMMIT was written, and their clients see a lost connection. Gives
   * how many ended.
   */
  readonly killBackends: (pick: (sessions: number) => ReadonlyArray<number>) => number
  /** Stops the server at once: what was not durable is gone, and ids that only it had return. */
  readonly stop: () => void
  readonly start: () => void
  /** A session that was opened while the server was read-only stays so, as after a failover. */
  readonly setReadOnly: (value: boolean) => void
  /** All committed rows, for checkers. */
  readonly inspect: () => CommittedRows
}

/** A new, empty database. */
export const makeMemoryDatabase = (
  options: MemoryDatabaseOptions = {}
): Effect.Effect<MemoryDatabase> =>
  Effect.gen(function* () {
    const random = yield* Random.Random
    let stepMs = 0
    let isRunning = true
    const now = () => server.clock.currentTimeMillisUnsafe() + stepMs
    const database = new Database({
      now,
      random: () => random.nextDoubleUnsafe(),
      ...(options.onViolation && { onViolation: options.onViolation })
    })
    const server: Server = {
      database,
      isRunning: () => isRunning,
      pause: options.pause,
      clock: yield* Clock.Clock
    }
    const schema = makeSchema(database)
    const uuid = () => uuidOf(() => random.nextDoubleUnsafe())
    return {
      layerStore: (link) =>
        Layer.sync(BoxOfficeStore, () => makeStore({ server, schema, link, uuid, backsOff: true })),
      now,
      stepClock: (ms) => {
        stepMs += ms
      },
      killBackends: (pick) => {
        const sessions = Array.from(database.sessions)
        const killed = pick(sessions.length).flatMap((index) => sessions[index] ?? [])
        for (const session of killed) session.end()
        return killed.length
      },
      stop: () => {
        isRunning = false
        database.crash()
      },
      start: () => {
        isRunning = true
      },
      setReadOnly: (value) => {
        database.isReadOnly = value
      },
      inspect: () => inspect(database, schema)
    }
  })

/** A random uuid of version 4. */
const uuidOf = (random: () => number): string => {
  const hex = (digits: number) =>
    Math.floor(random() * 16 ** digits)
      .toString(16)
      .padStart(digits, "0")
  const variant = "89ab"[Math.floor(random() * 4)]
  return `${hex(8)}-${hex(4)}-4${hex(3)}-${variant}${hex(3)}-${hex(12)}`
}

/** All committed rows. */
export const inspect = (database: Database, schema: Schema): CommittedRows => {
  const all = <Row>(table: Table<Row, string>) => database.committed(table)
  return {
    queues: all(schema.queue),
    tokens: all(schema.token),
    grants: all(schema.grant),
    departures: all(schema.departure),
    exits: all(schema.exit),
    codes: all(schema.code),
    presence: all(schema.presence),
    shows: all(schema.show),
    performances: all(schema.performance),
    seats: all(schema.seat),
    reservations: all(schema.reservation),
    wallets: all(schema.wallet),
    transfers: all(schema.transfer),
    outcomes: all(schema.outcome),
    outbox: all(schema.outbox),
    consumers: all(schema.consumer),
    deliveries: all(schema.delivery),
    cleared: all(schema.cleared)
  }
}
