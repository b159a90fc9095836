/**
 * A database in memory that fails on request as Postgres does: for tests whose input is faults.
 * {@link layerMemory} is a store on one of these that never fails.
 */
import { Clock, Effect, Layer } from "effect"
import { BoxOfficeStore } from "../BoxOfficeStore.ts"
import { StoreUnavailable } from "../Errors.ts"
import { Memory, storeOver } from "./MemoryStore.ts"
import type { CommittedRows } from "./memory/rows.ts"

export interface MemoryDatabaseOptions {
  /**
   * Called at every point where Postgres may let another session go first: before each statement,
   * before COMMIT is written, before its transaction shows to others, and before it is acknowledged.
   * Default: nothing.
   */
  readonly pause?: (point: string) => Effect.Effect<void>
  /** Told of each guard that refused a write: the name of the constraint or trigger. */
  readonly onViolation?: (name: string) => void
}

/** The network between a node and the database. Called for each message: a pipeline is one. */
export interface NodeLink {
  /** May delay the message, lose the connection, or never answer. */
  readonly toServer?: (message: string) => Effect.Effect<"delivered" | "lost">
  readonly toNode?: (message: string) => Effect.Effect<"delivered" | "lost">
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

/** A new, empty database, on Effect's clock. */
export const makeMemoryDatabase = (
  _options: MemoryDatabaseOptions = {}
): Effect.Effect<MemoryDatabase> =>
  Effect.map(Clock.Clock, (clock) => {
    const memory = new Memory()
    const store = storeOver(memory)
    let running = true
    let stepMs = 0
    const down = Effect.fail(
      new StoreUnavailable({ retryable: true, cause: new Error("the server is down") })
    )
    const transact: typeof store.transact = (plan, decide) =>
      Effect.suspend(() => (running ? store.transact(plan, decide) : down))
    return {
      layerStore: () => Layer.succeed(BoxOfficeStore, { ...store, transact }),
      now: () => clock.currentTimeMillisUnsafe() + stepMs,
      stepClock: (ms) => {
        stepMs += ms
      },
      killBackends: () => 0,
      stop: () => {
        running = false
      },
      start: () => {
        running = true
      },
      setReadOnly: () => {},
      inspect: () => ({
        queues: Array.from(memory.queues.values()),
        tokens: Array.from(memory.tokens.values()),
        grants: [],
        departures: Array.from(memory.departures.values()).flat(),
        exits: [],
        codes: Array.from(memory.codes.values()),
        presence: [],
        shows: Array.from(memory.shows.values()),
        performances: Array.from(memory.performances.values(), (row) => ({
          ...row,
          currency: null
        })),
        seats: Array.from(memory.seats.values(), (row) => ({ ...row, ordinal: 0, changes: 1 })),
        reservations: Array.from(memory.reservations.values()),
        wallets: Array.from(memory.wallets.values()),
        transfers: Array.from(memory.transfers.values()),
        outcomes: Array.from(memory.outcomes.values()),
        outbox: [],
        consumers: [],
        deliveries: [],
        cleared: []
      })
    }
  })
