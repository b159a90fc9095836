/** The waiting room's words: queues, tokens, and what a user is told of their place. */
import { Schema } from "effect"
import { QueueId, type TokenId, type UserId } from "../Ids.ts"
import { QueueSettings } from "../Policies.ts"

/** `open` takes everyone; `paused` nobody; `draining` lets those who wait in, and no one new join. */
export const QueueMode = Schema.Literals(["open", "paused", "draining"])
export type QueueMode = typeof QueueMode.Type

/** `waiting` → `admitted` → `completed`; or `left`, or `expired`. */
export const TokenState = Schema.Literals(["waiting", "admitted", "completed", "left", "expired"])
export type TokenState = typeof TokenState.Type

/** A queue as its operator sees it. */
export const Queue = Schema.Struct({
  queueId: QueueId,
  mode: QueueMode,
  settings: QueueSettings,
  waiting: Schema.Int,
  active: Schema.Int
}).annotate({ identifier: "Queue" })
export interface Queue extends Schema.Schema.Type<typeof Queue> {}

const Seconds = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

/** What a user is told about their place in a queue. */
export const queueTokenStatusFields = {
  queueId: QueueId,
  state: TokenState,
  /** 1 is next; 0 when not waiting. */
  position: Schema.Int,
  /** How many are in front. */
  ahead: Schema.Int,
  estimatedWait: Schema.NullOr(Schema.Struct({ p50Seconds: Seconds, p90Seconds: Seconds })),
  /** When to ask again. */
  pollAfterSeconds: Seconds,
  admittedAt: Schema.NullOr(Schema.DateFromString),
  /** When an admitted token ends unless it is used before. */
  expiresAt: Schema.NullOr(Schema.DateFromString)
}
export const QueueTokenStatus = Schema.Struct(queueTokenStatusFields).annotate({
  identifier: "QueueTokenStatus"
})
export interface QueueTokenStatus extends Schema.Schema.Type<typeof QueueTokenStatus> {}

/** The answer to joining: the status, and the signed token to show from now on. */
export const JoinedQueue = Schema.Struct({
  ...queueTokenStatusFields,
  token: Schema.String
}).annotate({ identifier: "JoinedQueue" })
export interface JoinedQueue extends Schema.Schema.Type<typeof JoinedQueue> {}

/** One token as stored. Instants are milliseconds since 1970 by the database's clock. */
export interface TokenRow {
  readonly tokenId: TokenId
  readonly queueId: QueueId
  readonly userId: UserId
  /** The place in line: taken once, in order of joining, never reused. */
  readonly number: bigint
  readonly state: TokenState
  readonly joinedAt: number
  readonly admittedAt: number | null
  /** Whether the user has shown up since being admitted. */
  readonly claimed: boolean
  readonly expiresAt: number | null
  readonly endedAt: number | null
  /** The settings of its queue, when it was loaded. */
  readonly settings: QueueSettings
}

/** One queue as loaded for a batch that lets people in. */
export interface QueueRow {
  readonly queueId: QueueId
  readonly mode: QueueMode
  readonly settings: QueueSettings
  /** The number the next to join will take. */
  readonly nextNumber: bigint
  /** Admitted tokens that have neither ended nor lapsed. */
  readonly active: number
  /** Admissions within the last 60 seconds. */
  readonly admittedLastMinute: number
  /** How many wait. */
  readonly waiting: number
}
