/**
 * Policies as code: what each function of a host is told, and what it gives.
 *
 * A function is asked inside a batch, between loading rows and saving them. It must be pure and
 * synchronous: it may run more than once for one command, and everybody in the batch waits for it.
 * What it needs to know of the time is `now`, the database's clock; instants are `Date`s, money is
 * minor units as `bigint`. Its input is a copy: changing it changes nothing.
 */
import { amountMaxInJson, type Money } from "../Money.ts"
import type { GatedOperation, QueueSettings } from "../Policies.ts"

/** A seat as a policy sees it. */
export interface PricedSeat {
  readonly seatId: string
  readonly section: string
  readonly row: string
  readonly number: string
  /** In the catalogue, for a hold; as it was sold, for a refund. */
  readonly price: Money
}

/** A hold that is asked for. All of its seats are there to be had. */
export interface HoldRequest {
  readonly userId: string
  readonly showId: string
  readonly performanceId: string
  readonly startsAt: Date
  /** In the order in which they were asked for. */
  readonly seats: ReadonlyArray<PricedSeat>
  /** How many seats of this performance the user holds and owns already. */
  readonly seatsOfUser: number
  readonly now: Date
}

/** A charge that is asked for. */
export interface ChargeRequest {
  readonly userId: string
  readonly amount: Money
  /** What is in the wallet; `null` where there is none yet. */
  readonly balance: Money | null
  readonly now: Date
}

/** A paid reservation that is to be cancelled. */
export interface RefundRequest {
  readonly paymentId: string
  readonly reservationId: string
  readonly userId: string
  readonly showId: string
  readonly performanceId: string
  readonly startsAt: Date
  readonly seats: ReadonlyArray<PricedSeat>
  /** What was paid. */
  readonly amount: Money
  readonly paidAt: Date
  readonly now: Date
}

/**
 * How much is given back, from nothing to all that was paid, or why it is refused. Whatever the
 * amount, the reservation is cancelled and its seats are free: a fee is what is kept back.
 */
export type RefundDecision = { readonly amount: bigint } | { readonly refused: string }

/** A queue that has room, and somebody waiting. */
export interface AdmissionRequest {
  readonly queueId: string
  readonly settings: QueueSettings
  /** How many are inside. */
  readonly active: number
  /** How many were let in within the last 60 seconds. */
  readonly admittedLastMinute: number
  readonly waiting: number
  /** The most that the settings let in now. */
  readonly room: number
  readonly now: Date
}

/**
 * A call of one of the six operations. It is decided before anything is read, so there is no
 * instant to go by, and the performance is known where the call names one.
 */
export interface GateRequest {
  readonly operation: GatedOperation
  readonly userId: string
  /** At `dates`. */
  readonly showId: string | undefined
  /** At `seats` and `hold`. */
  readonly performanceId: string | undefined
}

/**
 * Everything a host may decide. What is not said is as in `defaultPolicies`. A function that throws
 * or gives what it may not refuses the command with `PolicyFailed`, and nothing is done; but a
 * faulty `admission` lets nobody in.
 *
 * @example
 * ```ts
 * import type { PolicyOptions } from "@boxoffice/core"
 *
 * const policies: Partial<PolicyOptions> = {
 *   // Ten minutes for a group, five for everyone else.
 *   holdSeconds: ({ seats }) => (seats.length >= 5 ? 600 : 300),
 *   // A tenth off from the fifth seat on.
 *   price: ({ seats }) =>
 *     seats.map(({ price }, i) => (i < 4 ? price.amount : (price.amount * 9n) / 10n)),
 *   refund: ({ amount, startsAt, now }) =>
 *     startsAt.getTime() - now.getTime() < 24 * 3_600_000
 *       ? { refused: "No refunds within a day of the performance." }
 *       : { amount: (amount.amount * 9n) / 10n }
 * }
 * ```
 */
export interface PolicyOptions {
  /** How long a hold lasts, in whole seconds from 1. */
  readonly holdSeconds: number | ((hold: HoldRequest) => number)
  /** The operations that need an admitted queue token, or whether this call does. */
  readonly gate: ReadonlyArray<GatedOperation> | ((call: GateRequest) => boolean)
  /** Whether paying completes the queue token and so frees the user's place. */
  readonly paymentCompletesToken: boolean
  /** The most seats in one reservation; a function may say 0. Never more than 200. */
  readonly seatsPerReservation: number | ((hold: HoldRequest) => number)
  /** The most seats of one performance that one user can hold and own; a function may say 0. */
  readonly seatsPerUser: number | ((hold: HoldRequest) => number)
  /**
   * What each seat of a hold costs, in the order of `seats`: from 0 to 2^53−1 minor units of the
   * seat's currency. Left out, what the catalogue says. The price stands for as long as the hold.
   */
  readonly price?: ((hold: HoldRequest) => ReadonlyArray<bigint>) | undefined
  /** The most that a wallet can contain after a charge, in minor units; a function may say 0. */
  readonly walletCeiling: bigint | ((charge: ChargeRequest) => bigint)
  /** Whether a payment is given back, and how much of it. Left out, all of it. */
  readonly refund?: ((payment: RefundRequest) => RefundDecision) | undefined
  /**
   * How many to let in now, from 0 to `room`: fractions are cut off, and what lies outside counts
   * as the nearest bound. Left out, `room`. Who they are is not to be decided: the next in line.
   */
  readonly admission?: ((queue: AdmissionRequest) => number) | undefined
  /** The currency of a wallet that was never charged. */
  readonly currency: string
  /** How stale dates and seat maps may be, in milliseconds: see `PolicySettings`. */
  readonly catalogMaxAgeMs: number
  /** How stale the gate of an operation that only reads may be, in milliseconds. */
  readonly gateMaxAgeMs: number
  /** How stale a place in line may be, in milliseconds. */
  readonly queueMaxAgeMs: number
  /** For how long answers go on while the store is away, in milliseconds: see `PolicySettings`. */
  readonly staleIfStoreDownMs: number
  /** How long an ended queue token is kept, in seconds. */
  readonly endedTokenSeconds: number
  /** How long an idempotency key is remembered, in seconds; a day at least. */
  readonly idempotencyKeySeconds: number
  /** How long a reservation that was never paid is kept once it has ended, in seconds; 0 is for ever. */
  readonly endedReservationSeconds: number
  /** How long events are kept that every consumer has passed, in seconds; 0 is for ever. */
  readonly eventSeconds: number
  /** How long a webhook that was given up is kept, in seconds; 0 is for ever. */
  readonly deadLetterSeconds: number
  /** What a queue is created with where its creator says nothing. */
  readonly queue: QueueSettings
}

/**
 * The most that any sum of money may come to, in minor units: what JSON can carry exactly, or the
 * host's own ceiling of wallets where that is higher. Decided before a commit, since what was
 * committed must be told.
 */
export const amountMaxOf = ({
  walletCeiling
}: Partial<Pick<PolicyOptions, "walletCeiling">>): bigint =>
  typeof walletCeiling === "bigint" && walletCeiling > amountMaxInJson
    ? walletCeiling
    : amountMaxInJson
