/** What a history is played in: a store with a clock that can be moved, and two nodes over it. */
import type { Effect, Result } from "effect"
import type {
  BoxOffice,
  BoxOfficeEvent,
  BoxOfficeStore,
  QueueId
} from "../../packages/core/src/index.ts"

export type Ask<A, E> = (office: BoxOffice["Service"]) => Effect.Effect<A, E>

interface Node {
  readonly ask: <A, E>(question: Ask<A, E>) => Effect.Effect<Result.Result<A, E>>
  /** Does what the sweeper does each second. */
  readonly sweep: Effect.Effect<void, unknown>
}

export interface Room {
  readonly queueId: QueueId
  /** For how long a node goes without reading the queue. */
  readonly freshMs: number
  /** How far instants of the database, and those told, may be off the scale of `now`. */
  readonly slackMs: number
  readonly store: BoxOfficeStore["Service"]
  readonly node: (n: number) => Node
  /** Of nodes that come one after the other, each has a name of its own. */
  readonly nameOf: (n: number) => string
  /** Now, by the database's clock as it would be had nobody moved it. */
  readonly now: () => number
  /** How much time has passed by the nodes' clocks. */
  readonly elapsed: () => number
  /**
   * What to add to an instant that the database has just told, to have it on the scale of `now`.
   */
  readonly offset: () => number
  readonly pass: (ms: number) => Effect.Effect<void>
  /** The batches of events that were committed since they were last asked for. */
  readonly events: Effect.Effect<ReadonlyArray<ReadonlyArray<BoxOfficeEvent>>, unknown>
  /** Closes a node, and starts another one in its place. */
  readonly restart: (n: number) => Effect.Effect<void>
  /** Does something while a node's connections break: its next commit fails, or is not heard of. */
  readonly cut: <A>(n: number, isLost: boolean, during: Effect.Effect<A>) => Effect.Effect<A>
  /** What else must hold at the end of a history. */
  readonly inspect: Effect.Effect<void, unknown>
}

/** What is sold behind a queue, by the queue's name. */
export const performanceId = (queueId: QueueId): string => `${queueId}-1`
