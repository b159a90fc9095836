/** Types of the waiting room: queues, tokens, and the status that a user is shown. */
import { Schema } from "effect"
import { QueueId, type TokenId, type UserId } from "../Ids.ts"
import { Instant } from "../Instant.ts"
import { QueueSettings } from "../policies/settings.ts"

/**
 * - `open`: users join and are admitted.
 * - `paused`: no new joins, no admissions.
 * - `draining`: no new joins; waiting users are admitted.
 * - `closed`: for ever. Waiting tokens expire; admitted users go on.
 */
export const QueueMode = Schema.Literals(["open", "paused", "draining", "closed"])
export type QueueMode = typeof QueueMode.Type

/**
 * The mode that clients are shown: `collecting` for an open queue before its opening, else its
 * mode. While a queue is `collecting`, users join, but none is admitted or has a place before the
 * draw.
 */
export const QueueDisplayMode = Schema.Literals([...QueueMode.literals, "collecting"])
export type QueueDisplayMode = typeof QueueDisplayMode.Type

/**
 * `waiting` → `admitted` → `completed`. A waiting or admitted token may become `left` or `expired`.
 */
export const TokenState = Schema.Literals(["waiting", "admitted", "completed", "left", "expired"])
export type TokenState = typeof TokenState.Type

/** The lane that a token waits in. The priority lane is for users who joined with a code. */
export const QueueLane = Schema.Literals(["general", "priority"])
export type QueueLane = typeof QueueLane.Type

/** A code for the priority lane: long enough that guessing does not pay. */
const QueueCode = Schema.String.check(
  // The default message would repeat the code, and messages are logged.
  Schema.isPattern(/^[\x21-\x7e]{8,64}$/, {
    message: "Expected 8 to 64 visible ASCII characters"
  })
)

/** The codes of one call, 1 to 10,000. */
export const QueueCodes = Schema.Array(QueueCode).check(
  Schema.isBetweenLength(1, 10_000, { message: "Expected 1 to 10,000 codes" }),
  Schema.isUnique({ message: "Expected codes that differ from each other" })
)

/** How often a code can be used from now on. 0 withdraws it. */
export const CodeUses = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1_000_000_000 }))

/** The opening of a queue with a draw: see `queue/lottery.ts`. */
export const QueueOpening = Schema.Struct({
  /** Until then no user is admitted, and users who join take part in the draw. */
  opensAt: Instant,
  /** The SHA-256 of the seed, in hex: published from the start. */
  commitment: Schema.String,
  /** The seed, in hex: `null` until the queue has opened. */
  seed: Schema.NullOr(Schema.String),
  /** How many tokens took part in the draw; `null` until the queue has opened. */
  drawn: Schema.NullOr(Schema.Int),
  openedAt: Schema.NullOr(Instant)
}).annotate({ identifier: "QueueOpening" })
export interface QueueOpening extends Schema.Schema.Type<typeof QueueOpening> {}

/** A queue as an operator sees it. */
export const QueueInfo = Schema.Struct({
  queueId: QueueId,
  mode: QueueDisplayMode,
  settings: QueueSettings,
  waiting: Schema.Int,
  active: Schema.Int,
  /** `null` for a queue that was made without an opening. */
  opening: Schema.NullOr(QueueOpening)
}).annotate({ identifier: "Queue" })
export interface QueueInfo extends Schema.Schema.Type<typeof QueueInfo> {}

/** The public part of a queue: any client may read it, and can check the draw by it. */
export const PublicQueueInfo = Schema.Struct({
  queueId: QueueId,
  mode: QueueDisplayMode,
  /** `null` for a queue that was made without an opening. */
  opening: Schema.NullOr(QueueOpening)
}).annotate({ identifier: "QueueNotice" })
export interface PublicQueueInfo extends Schema.Schema.Type<typeof PublicQueueInfo> {}

const Seconds = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

/** The status of a queue token: what its user is shown. */
export const queueTokenStatusFields = {
  queueId: QueueId,
  state: TokenState,
  /** 1 is next in the token's lane; 0 when not waiting, and before a draw has given a place. */
  position: Schema.Int,
  /** How many tokens of the same lane are in front. */
  ahead: Schema.Int,
  /** `null` if the token does not wait, or the node cannot estimate the wait. */
  estimatedWait: Schema.NullOr(Schema.Struct({ p50Seconds: Seconds, p90Seconds: Seconds })),
  /** How long the client should wait before it polls again. */
  pollAfterSeconds: Seconds,
  admittedAt: Schema.NullOr(Instant),
  /** When an admitted token ends unless its user makes a call before. */
  expiresAt: Schema.NullOr(Instant),
  /** When the node read the snapshot that it answered from, by the database's clock. */
  asOf: Schema.optionalKey(Instant),
  /** When the queue opens; only before the opening. */
  opensAt: Schema.optionalKey(Instant)
}
export const QueueTokenStatus = Schema.Struct(queueTokenStatusFields).annotate({
  identifier: "QueueTokenStatus"
})
export interface QueueTokenStatus extends Schema.Schema.Type<typeof QueueTokenStatus> {}

/** The reply to a join: the status, and the signed queue token that later calls carry. */
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
  readonly lane: QueueLane
  /**
   * The order of joining in the lane, unique and never reused. It is also the token's place in the
   * lane, unless the token took part in a draw.
   */
  readonly number: bigint
  readonly state: TokenState
  readonly joinedAt: number
  readonly admittedAt: number | null
  /** Whether the user has shown up since being admitted. */
  readonly claimed: boolean
  readonly expiresAt: number | null
  readonly endedAt: number | null
  /** The end of the minute of the user's last presence mark. Only a head that has one is loaded with it. */
  readonly seenUntil?: number
  /** The settings of its queue when the token was loaded. */
  readonly settings: QueueSettings
}

/** One lane of a queue. All waiting tokens have a place above the cursor. */
export interface LaneRow {
  /** The number that the next token to join takes. */
  readonly nextNumber: bigint
  /** The place that was admitted last. */
  readonly cursor: bigint
  /** How many tokens wait. */
  readonly waiting: number
  /** The batch loaded all tokens that wait at a place up to this one. */
  readonly headsLoadedTo: bigint
}

/**
 * The draw of a queue as stored. The seed is stored from the start, but secret until the opening.
 */
export interface Opening {
  readonly opensAt: number
  readonly seed: string
  readonly openedAt: number | null
}

/** One queue as loaded for a batch. Its own lane fields are those of the general lane. */
export interface QueueRow extends LaneRow {
  readonly queueId: QueueId
  readonly mode: QueueMode
  readonly settings: QueueSettings
  readonly priority: LaneRow
  /** The share that the priority lane has accumulated, in percent: see `nextLane`. */
  readonly laneCredit: number
  /** Admitted tokens that have not ended. A lapsed one counts until a batch ends it. */
  readonly active: number
  /** Admissions within the last 60 seconds. */
  readonly admittedLastMinute: number
  /**
   * Whether nodes have flushed presence marks throughout the last `absenceSeconds`. If not, a
   * missing mark does not show that a user is absent.
   */
  readonly presenceKept?: boolean
  /** How many tokens have left before they were admitted, in both lanes. */
  readonly departed: bigint
  readonly opening: Opening | null
  /**
   * The numbers 1 to `drawSize` of the general lane have their places by the draw; 0 if none was
   * held.
   */
  readonly drawSize: bigint
}

/** A token that left before it was admitted. */
export interface Departure {
  readonly queueId: QueueId
  /** Counts the departures of the queue, without a gap. */
  readonly seq: bigint
  readonly lane: QueueLane
  readonly number: bigint
}

/**
 * How many tokens were admitted in one second of the database's clock, the last of them at `at`.
 */
export interface AdmissionCount {
  readonly at: number
  readonly admitted: number
}
