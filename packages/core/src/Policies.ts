/** What a host may decide about the engine's behaviour, with its defaults. */
import { Context, Schema } from "effect"
import { KnownCurrency } from "./Money.ts"
import type { PolicyOptions } from "./policies/rules.ts"

/** The six operations a queue token can be asked for. */
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

/** The shortest that an idempotency key may be remembered for: a client may try again for that long. */
export const idempotencyKeySecondsMin = day

const keyLifetime = Schema.Int.check(
  Schema.isBetween(
    { minimum: idempotencyKeySecondsMin, maximum: 2_147_483_647 },
    { message: "Expected a whole number of seconds, 86400 (a day) or more" }
  )
)

/** For how long something is kept, in seconds; 0 is for ever. */
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
  /** How many users may be let in within any 60 seconds. */
  admitPerMinute: positive,
  /** How long an admitted user has to show up before the place goes to the next, in seconds. */
  claimSeconds: positive,
  /** How long an admitted user may be idle before the place goes to the next, in seconds. */
  sessionSeconds: positive,
  /** While both lanes wait, the share of the priority lane in those let in, in percent. */
  prioritySharePercent: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 100 })),
  /** How long a waiting user may be away before the place is lost, in seconds; 0 for ever. */
  absenceSeconds: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 2_147_483_647 }))
}).annotate({ identifier: "QueueSettings" })
export interface QueueSettings extends Schema.Schema.Type<typeof QueueSettings> {}

/**
 * What a host may decide by values alone, as a configuration file has it. See
 * {@link defaultPolicies}, and `PolicyOptions` for what can be a function.
 */
export const PolicySettings = Schema.Struct({
  /** How long a hold lasts, in seconds. */
  holdSeconds: positive,
  /** The operations that need an admitted queue token. */
  gate: Schema.Array(GatedOperation),
  /** Whether paying completes the queue token and so frees the user's place. */
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
   * How stale dates and seat maps may be, in milliseconds. A node always sees its own changes;
   * those of other nodes after this time at the latest.
   */
  catalogMaxAgeMs: milliseconds,
  /**
   * How stale the gate of an operation that only reads may be, in milliseconds, about a token that
   * another node has ended. What changes something always looks.
   */
  gateMaxAgeMs: milliseconds,
  /**
   * How stale a place in line may be, in milliseconds: as often each node reads a queue that is
   * asked about. By default a little less than a second, so that what follows from a reading has
   * taken effect a second after what it saw.
   */
  queueMaxAgeMs: milliseconds,
  /**
   * While the store is away: for how long answers go on from what was known last, in milliseconds.
   * Places in line say how old they are; who was let through the gate before is let through to
   * read.
   */
  staleIfStoreDownMs: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 3_600_000 })),
  /** How long an ended queue token is kept, in seconds, before it is cleared away. */
  endedTokenSeconds: positive,
  /**
   * How long the answer to a command that had an idempotency key is kept, in seconds: the lifetime of
 X
   */
  idempotencyKeySeconds: keyLifetime,
  /**
   * How long a reservation that was released, or expired, is kept, in seconds; 0 is for ever. Those
   * that were ever paid are the seller's books, and stay.
   */
  endedReservationSeconds: kept,
  /**
   * How long events are kept that every consumer has passed, in seconds; 0 is for ever. What a
   * consumer has yet to pass stays, however old it is.
   */
  eventSeconds: kept,
  /** How long a webhook that was given up is kept, in seconds; 0 is for ever. */
  deadLetterSeconds: kept,
  /** What a queue is created with where its creator says nothing. */
  queue: QueueSettings
})
export interface PolicySettings extends Schema.Schema.Type<typeof PolicySettings> {}

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

/** The policies in force. Replace them with a layer, or with the options of `layerOf`. */
export const Policies = Context.Reference<PolicyOptions>("@boxoffice/core/Policies", {
  defaultValue: () => defaultPolicies
})
