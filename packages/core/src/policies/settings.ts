/** The policies that are plain values, with their checks and defaults. */
import { Schema } from "effect"
import { KnownCurrency } from "../Money.ts"

/** The six operations that can be gated, so that they need a queue token. */
export const GatedOperation = Schema.Literals([
  "dates",
  "seats",
  "hold",
  "charge",
  "balance",
  "pay"
])
export type GatedOperation = typeof GatedOperation.Type

const positive = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 2_147_483_647 }))

const day = 86_400

/** The shortest time to keep an idempotency key: a client may retry a command for a day. */
export const idempotencyKeySecondsMin = day

const keyLifetime = Schema.Int.check(
  Schema.isBetween(
    { minimum: idempotencyKeySecondsMin, maximum: 2_147_483_647 },
    { message: "Expected a whole number of seconds, 86400 (a day) or more" }
  )
)

/** How long something is kept, in seconds; 0 keeps it for ever. */
const kept = Schema.Int.check(
  Schema.isBetween({ minimum: 0, maximum: 2_147_483_647 }),
  Schema.makeFilter((seconds: number) =>
    seconds === 0 || seconds >= 3_600
      ? undefined
      : "Expected 3600 seconds (an hour) or more, or 0 to keep all"
  )
)

const milliseconds = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 60_000 }))

/** The settings of one queue; each queue can have its own. */
export const QueueSettings = Schema.Struct({
  /** How many users may be inside at once. */
  maxActive: positive,
  /** How many users may be admitted within any 60 seconds. */
  admitPerMinute: positive,
  /**
   * The claim window: how long an admitted user has to show up before the token expires, in
   * seconds.
   */
  claimSeconds: positive,
  /** The session: how long an admitted user may be idle before the token expires, in seconds. */
  sessionSeconds: positive,
  /**
   * While both lanes have waiting users: the priority lane's share of the admissions, in percent.
   */
  prioritySharePercent: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 100 })),
  /**
   * How long a waiting user may go without polling before they lose the token, in seconds; 0: no
   * limit.
   */
  absenceSeconds: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 2_147_483_647 }))
}).annotate({ identifier: "QueueSettings" })
export interface QueueSettings extends Schema.Schema.Type<typeof QueueSettings> {}

/**
 * The policies that are plain values, as a configuration file has them. See {@link
 * defaultPolicies}, and `PolicyOptions` for those that can be functions.
 */
export const PolicySettings = Schema.Struct({
  /** How long a hold lasts, in seconds. */
  holdSeconds: positive,
  /** The operations that need an admitted queue token. */
  gate: Schema.Array(GatedOperation),
  /** Whether a payment completes the queue token and so makes room for the next user. */
  paymentCompletesToken: Schema.Boolean,
  /** The most seats in one reservation. */
  seatsPerReservation: positive,
  /** The most seats of one performance that one user can hold and own together. */
  seatsPerUser: positive,
  /** The most a wallet can contain, in minor units. */
  walletCeiling: Schema.BigInt.check(
    Schema.isBetweenBigInt({ minimum: 1n, maximum: 2n ** 63n - 1n })
  ),
  /** The currency of a wallet that was never charged. */
  currency: KnownCurrency,
  /**
   * The maximum age of dates and seat maps, in milliseconds. A node always sees its own changes,
   * and those of other nodes after this time at the latest.
   */
  catalogMaxAgeMs: milliseconds,
  /**
   * The maximum age of the gate's reading for an operation that only reads, in milliseconds: how
   * long a token that another node has ended may still pass. An operation that changes something
   * always reads the token.
   */
  gateMaxAgeMs: milliseconds,
  /**
   * The maximum age of a queue's snapshot, and so of a position, in milliseconds: each node reads a
   * queue that clients poll at most this often. The default is a little less than a second, so that
   * the admissions that follow from a reading have taken effect within a second.
   */
  queueMaxAgeMs: milliseconds,
  /**
   * While the store is down: the maximum age of what a node answers from memory, in milliseconds. A
   * position says how old it is (`asOf`). A token that passed the gate goes on passing for
   * operations that only read.
   */
  staleIfStoreDownMs: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 3_600_000 })),
  /** How long an ended queue token is kept, in seconds, before the sweeper deletes it. */
  endedTokenSeconds: positive,
  /**
   * How long the answer to a command with an idempotency key is kept, in seconds: within that time,
   * a client that repeats the command gets the same answer. At least a day.
   */
  idempotencyKeySeconds: keyLifetime,
  /**
   * How long a released or expired reservation is kept, in seconds; 0 keeps it for ever.
   * Reservations that were ever paid are part of the seller's books, so they are never deleted.
   */
  endedReservationSeconds: kept,
  /**
   * How long an event that every consumer has passed is kept, in seconds; 0 keeps it for ever. An
   * event that a consumer has yet to pass is kept, however old it is.
   */
  eventSeconds: kept,
  /** How long a webhook delivery that was given up is kept, in seconds; 0 keeps it for ever. */
  deadLetterSeconds: kept,
  /** The settings of a new queue, as far as its creator gives none. */
  queue: QueueSettings
})
export interface PolicySettings extends Schema.Schema.Type<typeof PolicySettings> {}

/** The policies of an engine whose host gives none. */
export const defaultPolicies: PolicySettings = {
  holdSeconds: 300,
  gate: ["dates", "seats", "hold", "charge", "balance", "pay"],
  paymentCompletesToken: true,
  seatsPerReservation: 10,
  seatsPerUser: 20,
  // The largest integer that JSON carries exactly everywhere.
  walletCeiling: 2n ** 53n - 1n,
  currency: "KRW",
  catalogMaxAgeMs: 1_000,
  gateMaxAgeMs: 1_000,
  queueMaxAgeMs: 900,
  staleIfStoreDownMs: 60_000,
  endedTokenSeconds: day,
  idempotencyKeySeconds: 30 * day,
  endedReservationSeconds: 30 * day,
  eventSeconds: 30 * day,
  deadLetterSeconds: 90 * day,
  queue: {
    maxActive: 5_000,
    admitPerMinute: 60_000,
    claimSeconds: 120,
    sessionSeconds: 600,
    prioritySharePercent: 50,
    absenceSeconds: 300
  }
}
