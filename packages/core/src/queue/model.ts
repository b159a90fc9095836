/** The waiting room's words: queues, tokens, and what a user is told of their place. */
import { Schema } from "effect"
import { QueueId, type TokenId, type UserId } from "../Ids.ts"
import { Instant } from "../Instant.ts"
import { QueueSettings } from "../Policies.ts"

/**
 * `open` takes everyone; `paused` nobody, for a while; `draining` lets those who wait in, and no
 * one new join; `closed` is over: whoever waits has waited in vain, whoever is inside goes on.
 */
export const QueueMode = Schema.Literals(["open", "paused", "draining", "closed"])
export type QueueMode = typeof QueueMode.Type

/**
 * What a queue is shown as: its mode, but for one that would be open and has yet to open. That one
 * is `collecting`: people join, nobody is let in, and nobody has a place before the draw.
 */
export const QueueDisplayMode = Schema.Literals([...QueueMode.literals, "collecting"])
export type QueueDisplayMode = typeof QueueDisplayMode.Type

/** `waiting` → `admitted` → `completed`; or `left`, or `expired`. */
export const TokenState = Schema.Literals(["waiting", "admitted", "completed", "left", "expired"])
export type TokenState = typeof TokenState.Type

/** Where a token waits. The priority lane takes those who came with a code. */
export const QueueLane = Schema.Literals(["general", "priority"])
export type QueueLane = typeof QueueLane.Type

/** A code that opens the priority lane: long enough that guessing does not pay. */
const QueueCode = Schema.String.check(
  // The default message would repeat the code, and messages are logged.
  Schema.isPattern(/^[\x21-\x7e]{8,64}$/, {
    message: "Expected 8 to 64 visible ASCII characters"
  })
)

/** As many codes as are taken at once. */
export const QueueCodes = Schema.Array(QueueCode).check(
  Schema.isBetweenLength(1, 10_000, { message: "Expected 1 to 10,000 codes" }),
  Schema.isUnique({ message: "Expected codes that differ from each other" })
)

/** How often a code can be used from now on; 0 withdraws it. */
export const CodeUses = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1_000_000_000 }))

/** The draw of a queue that collects people before it opens: see `queue/lottery.ts`. */
export const QueueOpening = Schema.Struct({
  /** Until then nobody is let in, and whoever joins takes part in the draw. */
  opensAt: Instant,
  /** The SHA-256 of the seed, in hex: published from the start. */
  commitment: Schema.String,
  /** The seed, in hex: `null` until the queue has opened. */
  seed: Schema.NullOr(Schema.String),
  /** How many were drawn; `null` until the queue has opened. */
  drawn: Schema.NullOr(Schema.Int),
  openedAt: Schema.NullOr(Instant)
}).annotate({ identifier: "QueueOpening" })
export interface QueueOpening extends Schema.Schema.Type<typeof QueueOpening> {}

/** A queue as its operator sees it. */
export const QueueInfo = Schema.Struct({
  queueId: QueueId,
  mode: QueueDisplayMode,
  settings: QueueSettings,
  waiting: Schema.Int,
  active: Schema.Int,
  /** `null` for a queue that never collected people before opening. */
  opening: Schema.NullOr(QueueOpening)
}).annotate({ identifier: "Queue" })
export interface QueueInfo extends Schema.Schema.Type<typeof QueueInfo> {}

/** What anyone may know of a queue, and needs to check its draw by. */
export const PublicQueueInfo = Schema.Struct({
  queueId: QueueId,
  mode: QueueDisplayMode,
  /** `null` for a queue that never collected people before opening. */
  opening: Schema.NullOr(QueueOpening)
}).annotate({ identifier: "QueueNotice" })
export interface PublicQueueInfo extends Schema.Schema.Type<typeof PublicQueueInfo> {}

const Seconds = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

/** What a user is told about their place in a queue. */
export const queueTokenStatusFields = {
  queueId: QueueId,
  state: TokenState,
  /** 1 is next in the token's lane; 0 when not waiting, and before a draw has given a place. */
  position: Schema.Int,
  /** How many are in front, in the same lane. */
  ahead: Schema.Int,
  estimatedWait: Schema.NullOr(Schema.Struct({ p50Seconds: Seconds, p90Seconds: Seconds })),
  /** When to ask again. */
  pollAfterSeconds: Seconds,
  admittedAt: Schema.NullOr(Instant),
  /** When an admitted token ends unless it is used before. */
  expiresAt: Schema.NullOr(Instant),
  /** As of when this is, where a node answered from what it knew: by the database's clock. */
  asOf: Schema.optionalKey(Instant),
  /** When the queue opens, while it collects people for the draw. */
  opensAt: Schema.optionalKey(Instant)
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
  readonly lane: QueueLane
  /** Taken once a lane, in order of joining, never reused. The place in line, but for a draw. */
  readonly number: bigint
  readonly state: TokenState
  readonly joinedAt: number
  readonly admittedAt: number | null
  /** Whether the user has shown up since being admitted. */
  readonly claimed: boolean
  readonly expiresAt: number | null
  readonly endedAt: number | null
  /** Until when the user was noted to be asking, to the minute; left out where they never were. */
  readonly seenAt?: number
  /** The settings of its queue, when it was loaded. */
  readonly settings: QueueSettings
}

/** One lane of a queue. Everyone who waits has a place above the cursor. */
export interface LaneRow {
  /** The number the next to join will take. */
  readonly nextNumber: bigint
  /** The last place that was let in. */
  readonly cursor: bigint
  /** How many wait. */
  readonly waiting: number
  /** Everyone who waits at a place up to this one was loaded with the batch. */
  readonly headsLoadedTo: bigint
}

/** The draw of a queue, as stored: the seed is there before it may be told. */
export interface Opening {
  readonly opensAt: number
  readonly seed: string
  readonly openedAt: number | null
}

/** One queue as loaded for a batch: the general lane, and beside it the priority lane. */
export interface QueueRow extends LaneRow {
  readonly queueId: QueueId
  readonly mode: QueueMode
  readonly settings: QueueSettings
  readonly priority: LaneRow
  /** How far the priority lane's share has added up, in percent: see `nextLane`. */
  readonly laneCredit: number
  /** Admitted tokens that have not ended. A lapsed one counts until it is tidied away. */
  readonly active: number
  /** Admissions within the last 60 seconds. */
  readonly admittedLastMinute: number
  /**
   * Whether it was noted throughout the time of `absenceSeconds` who is there. Where it was not,
   * nobody can be said to be away.
   */
  readonly presenceKept?: boolean
  /** How many have left a line so far, in both lanes. */
  readonly departed: bigint
  readonly opening: Opening | null
  /** The numbers 1 to this of the general lane have their places by the draw; 0 for none. */
  readonly drawSize: bigint
}

/** One who left a line without being let in, by a count that has no gap. */
export interface Departure {
  readonly queueId: QueueId
  readonly seq: bigint
  readonly lane: QueueLane
  readonly number: bigint
}

/** Admissions of one second of the database's clock, the last of which was made at `at`. */
export interface AdmissionCount {
  readonly at: number
  readonly admitted: number
}
