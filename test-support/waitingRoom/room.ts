/** The environment of a history: a store with an adjustable clock, and two nodes on it. */
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
  /** Runs the sweeper once, as it runs each second. */
  readonly sweep: Effect.Effect<void, unknown>
}

export interface Room {
  readonly queueId: QueueId
  /** The maximum age of a node's snapshot of the queue. */
  readonly freshMs: number
  /** How far instants of the database and of responses may differ from the scale of `now`. */
  readonly slackMs: number
  readonly store: BoxOfficeStore["Service"]
  readonly node: (n: number) => Node
  /** The name of a node. A restart gives the node a new name. */
  readonly nameOf: (n: number) => string
  /** Now, by the database's clock without its adjustments. */
  readonly now: () => number
  /** The time that has passed by the nodes' clocks. */
  readonly elapsed: () => number
  /** The offset from a current instant of the database to the scale of `now`. */
  readonly offset: () => number
  readonly pass: (ms: number) => Effect.Effect<void>
  /** The batches of events that were committed since the last call. */
  readonly events: Effect.Effect<ReadonlyArray<ReadonlyArray<BoxOfficeEvent>>, unknown>
  /** Closes a node and starts another one in its place. */
  readonly restart: (n: number) => Effect.Effect<void>
  /**
   * Runs an effect while a node's connections break: its next commit fails, or its response is
   * lost.
   */
  readonly cut: <A>(n: number, isLost: boolean, during: Effect.Effect<A>) => Effect.Effect<A>
  /** Further checks at the end of a history. */
  readonly inspect: Effect.Effect<void, unknown>
}

/** The id of the performance behind a queue. */
export const performanceId = (queueId: QueueId): string => `${queueId}-1`
