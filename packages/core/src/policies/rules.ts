/**
 * Policies as code: the input and the result of each function that a host can give.
 *
 * The engine calls a policy function inside a batch, between loading the rows and saving them. The
 * function must be pure and synchronous: it may run more than once for one command, and all
 * commands of the batch wait for it. Its time is `now`, by the database's clock. Instants are
 * `Date`s; money is minor units as `bigint`. Its input is a copy, so changing it has no effect.
 */
import { amountMaxInJson, type Money } from "../Money.ts"
import type { GatedOperation, QueueSettings } from "./settings.ts"

/** A seat as a policy sees it. */
export interface PricedSeat {
  readonly seatId: string
  readonly section: string
  readonly row: string
  readonly number: string
  /** For a hold, the catalogue's price; for a refund, the price that it was sold at. */
  readonly price: Money
}

/** The hold to decide. All of its seats are available. */
export interface HoldRequest {
  readonly userId: string
  readonly showId: string
  readonly performanceId: string
  readonly startsAt: Date
  /** In the order of the request. */
  readonly seats: ReadonlyArray<PricedSeat>
  /** How many seats of this performance the user holds and owns already. */
  readonly seatsOfUser: number
  readonly now: Date
}

/** The charge to decide. */
export interface ChargeRequest {
  readonly userId: string
  readonly amount: Money
  /** The balance of the wallet; `null` if the user has no wallet yet. */
  readonly balance: Money | null
  readonly now: Date
}

/** The refund to decide: a paid reservation that is to be cancelled. */
export interface RefundRequest {
  readonly paymentId: string
  readonly reservationId: string
  readonly userId: string
  readonly showId: string
  readonly performanceId: string
  readonly startsAt: Date
  readonly seats: ReadonlyArray<PricedSeat>
  /** The amount of the payment. */
  readonly amount: Money
  readonly paidAt: Date
  readonly now: Date
}

/**
 * How much the wallet gets back, from 0 to the amount of the payment, or why the refund is refused.
 * Whatever the amount, the reservation is cancelled and its seats are free. A fee is the part that
 * is not given back.
 */
export type RefundDecision = { readonly amount: bigint } | { readonly refused: string }

/** The admission to decide: a queue that has room and waiting users. */
export interface AdmissionRequest {
  readonly queueId: string
  readonly settings: QueueSettings
  /** How many users are inside. */
  readonly active: number
  /** How many users were admitted within the last 60 seconds. */
  readonly admittedLastMinute: number
  /** How many users wait, in both lanes. */
  readonly waiting: number
  /** The most users that the settings allow to admit now. */
  readonly room: number
  readonly now: Date
}

/**
 * A call of one of the six operations. The policy decides before the engine reads anything, so
 * there is no `now`, and the show or performance is known only if the call names it.
 */
export interface GateRequest {
  readonly operation: GatedOperation
  readonly userId: string
  /** Given for `dates`. */
  readonly showId: string | undefined
  /** Given for `seats` and `hold`. */
  readonly performanceId: string | undefined
}

/**
 * All policies of a host. A policy that is left out is as in `defaultPolicies`. If a function
 * throws or returns a value that is not allowed, the command is refused with `PolicyFailed` and
 * nothing is done. If `admission` does so, no user is admitted.
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
  /** The operations that need an admitted queue token, or a function that decides for each call. */
  readonly gate: ReadonlyArray<GatedOperation> | ((call: GateRequest) => boolean)
  /** Whether a payment completes the queue token and so makes room for the next user. */
  readonly paymentCompletesToken: boolean
  /** The most seats in one reservation; a function may return 0. Never more than 200. */
  readonly seatsPerReservation: number | ((hold: HoldRequest) => number)
  /** The most seats of one performance that one user can hold and own; a function may return 0. */
  readonly seatsPerUser: number | ((hold: HoldRequest) => number)
  /**
   * The price of each seat of a hold, in the order of `seats`: from 0 to 2^53−1 minor units of the
   * seat's currency. Default: the catalogue's prices. The price does not change while the hold
   * lasts.
   */
  readonly price?: ((hold: HoldRequest) => ReadonlyArray<bigint>) | undefined
  /** The most that a wallet can contain after a charge, in minor units; a function may return 0. */
  readonly walletCeiling: bigint | ((charge: ChargeRequest) => bigint)
  /** Whether a payment is refunded, and how much of it. Default: all of it. */
  readonly refund?: ((payment: RefundRequest) => RefundDecision) | undefined
  /**
   * How many users to admit now, from 0 to `room`. Fractions are cut off; a number outside counts
   * as the nearest bound. Default: `room`. The function cannot choose the users: the next in line
   * are admitted.
   */
  readonly admission?: ((queue: AdmissionRequest) => number) | undefined
  /** The currency of a wallet that was never charged. */
  readonly currency: string
  /** The maximum age of dates and seat maps, in milliseconds: see `PolicySettings`. */
  readonly catalogMaxAgeMs: number
  /** The maximum age of the gate's reading for an operation that only reads, in milliseconds. */
  readonly gateMaxAgeMs: number
  /** The maximum age of a queue's snapshot, and so of a position, in milliseconds. */
  readonly queueMaxAgeMs: number
  /** How old answers may get while the store is down, in milliseconds: see `PolicySettings`. */
  readonly staleIfStoreDownMs: number
  /** How long an ended queue token is kept, in seconds. */
  readonly endedTokenSeconds: number
  /**
   * How long the answer to a command with an idempotency key is kept, in seconds; a day at least.
   */
  readonly idempotencyKeySeconds: number
  /** How long an ended reservation that was never paid is kept, in seconds; 0 keeps it for ever. */
  readonly endedReservationSeconds: number
  /** How long an event that every consumer has passed is kept, in seconds; 0 keeps it for ever. */
  readonly eventSeconds: number
  /** How long a webhook delivery that was given up is kept, in seconds; 0 keeps it for ever. */
  readonly deadLetterSeconds: number
  /** The settings of a new queue, as far as its creator gives none. */
  readonly queue: QueueSettings
}

/**
 * The most that any sum of money may come to, in minor units: what JSON can carry exactly, or the
 * host's own wallet ceiling if that is higher. Checked before a commit, since the engine must be
 * able to report every amount that it has committed.
 */
export const amountMaxOf = ({
  walletCeiling
}: Partial<Pick<PolicyOptions, "walletCeiling">>): bigint =>
  typeof walletCeiling === "bigint" && walletCeiling > amountMaxInJson
    ? walletCeiling
    : amountMaxInJson
