/**
 * All events of the engine. A decider returns events; they evolve the rows of a batch in memory,
 * and the store writes them to the outbox with the commit.
 */

import type { Seat } from "./catalog/model.ts"
import type {
  CommandId,
  PerformanceId,
  QueueId,
  ReservationId,
  SeatId,
  ShowId,
  TokenId,
  TransferId,
  UserId
} from "./Ids.ts"
import type { Money } from "./Money.ts"
import type { QueueSettings } from "./policies/settings.ts"
import type { QueueLane, QueueMode } from "./queue/model.ts"

interface TokenEvent {
  readonly tokenId: TokenId
  readonly queueId: QueueId
  readonly userId: UserId
  /** Milliseconds since 1970 by the database's clock. */
  readonly at: number
}

/** A user joined a queue. */
export interface QueueTokenIssued extends TokenEvent {
  readonly _tag: "QueueTokenIssued"
  /** The lane; absent for the general one. */
  readonly lane?: QueueLane
  readonly number: bigint
  /** The digest of the code that the user joined with. */
  readonly codeHash?: string
}
/** A waiting token was admitted. */
export interface QueueTokenAdmitted extends TokenEvent {
  readonly _tag: "QueueTokenAdmitted"
  /** Whether the user's own call saw the admission, so that the session began at once. */
  readonly claimed: boolean
  /** The end of the session, or of the claim window if not `claimed`. */
  readonly expiresAt: number
}
/** An admitted user showed up, or made another call: the session lasts until `expiresAt`. */
export interface QueueTokenExtended extends TokenEvent {
  readonly _tag: "QueueTokenExtended"
  readonly expiresAt: number
}
/** A payment completed the token. */
export interface QueueTokenCompleted extends TokenEvent {
  readonly _tag: "QueueTokenCompleted"
}
/** The user left the queue, or was absent for too long when it was their turn. */
export interface QueueTokenLeft extends TokenEvent {
  readonly _tag: "QueueTokenLeft"
  /** Present if the user was absent. */
  readonly away?: true
}
/**
 * An admitted user did not show up, or was idle for too long; or a waiting user's queue was closed.
 */
export interface QueueTokenLapsed extends TokenEvent {
  readonly _tag: "QueueTokenLapsed"
  /** Present if the admitted user had never shown up. */
  readonly unclaimed?: true
  /** Present if the user still waited when the queue was closed. */
  readonly closed?: true
}

interface OfQueue {
  readonly queueId: QueueId
  readonly at: number
}

/**
 * An operator created a queue. The event has the draw's commitment, not its seed: see
 * `queue/lottery.ts`.
 */
export interface QueueCreated extends OfQueue {
  readonly _tag: "QueueCreated"
  readonly settings: QueueSettings
  /** Present if the queue has a draw before it opens. */
  readonly opening?: { readonly opensAt: number; readonly commitment: string }
}
/**
 * An operator added codes for the priority lane. The event does not have the codes: they are
 * secret.
 */
export interface QueueCodesAdded extends OfQueue {
  readonly _tag: "QueueCodesAdded"
  /** How many codes. */
  readonly codes: number
  /** How often each can be used from now on. */
  readonly uses: number
}
/** The queue opened and drew the places of the tokens that had joined: see `queue/lottery.ts`. */
export interface QueueOpened extends OfQueue {
  readonly _tag: "QueueOpened"
  readonly seed: string
  /** How many tokens took part. */
  readonly drawn: bigint
}
/** An operator moved the opening of a queue. */
export interface QueueRescheduled extends OfQueue {
  readonly _tag: "QueueRescheduled"
  readonly opensAt: number
  readonly before: number
}
/** An operator changed the mode of a queue. */
export interface QueueModeChanged extends OfQueue {
  readonly _tag: "QueueModeChanged"
  readonly mode: QueueMode
  readonly before: QueueMode
}
/** An operator changed the settings of a queue. */
export interface QueueConfigured extends OfQueue {
  readonly _tag: "QueueConfigured"
  readonly settings: QueueSettings
  readonly before: QueueSettings
}

interface OfReservation {
  readonly reservationId: ReservationId
  readonly performanceId: PerformanceId
  readonly userId: UserId
  readonly at: number
}

/** A user's hold began. */
export interface SeatsHeld extends OfReservation {
  readonly _tag: "SeatsHeld"
  readonly seats: ReadonlyArray<Seat>
  readonly amount: Money
  readonly holdExpiresAt: number
}
/** The user released the hold before it ended. */
export interface HoldReleased extends OfReservation {
  readonly _tag: "HoldReleased"
  readonly seatIds: ReadonlyArray<SeatId>
}
/** A hold lapsed. The event comes late: the seats were free from `holdExpiresAt` on. */
export interface HoldLapsed extends OfReservation {
  readonly _tag: "HoldLapsed"
  readonly holdExpiresAt: number
  /** The seats of the hold that no other user has taken since. */
  readonly seatIds: ReadonlyArray<SeatId>
}

/** Money was added to a wallet. */
export interface WalletCharged {
  readonly _tag: "WalletCharged"
  readonly transferId: TransferId
  readonly userId: UserId
  readonly amount: Money
  readonly at: number
}
/** A payment confirmed a reservation. */
export interface ReservationPaid extends OfReservation {
  readonly _tag: "ReservationPaid"
  readonly paymentId: TransferId
  readonly showId: ShowId
  readonly seatIds: ReadonlyArray<SeatId>
  readonly amount: Money
}
/** A refund cancelled a paid reservation. */
export interface PaymentRefunded extends OfReservation {
  readonly _tag: "PaymentRefunded"
  readonly refundId: TransferId
  readonly paymentId: TransferId
  readonly showId: ShowId
  readonly seatIds: ReadonlyArray<SeatId>
  readonly amount: Money
}

/** The events of a token that exists already. */
export type QueueTokenEvent =
  | QueueTokenAdmitted
  | QueueTokenExtended
  | QueueTokenCompleted
  | QueueTokenLeft
  | QueueTokenLapsed
export type QueueEvent =
  | QueueTokenIssued
  | QueueTokenEvent
  | QueueCreated
  | QueueCodesAdded
  | QueueOpened
  | QueueRescheduled
  | QueueModeChanged
  | QueueConfigured
export type ReservationEvent =
  | SeatsHeld
  | HoldReleased
  | HoldLapsed
  | ReservationPaid
  | PaymentRefunded
export type BoxOfficeEvent = QueueEvent | ReservationEvent | WalletCharged

/**
 * The kind and id of an event's aggregate. A consumer gets the events of one aggregate in order.
 */
export const aggregateOf = (event: BoxOfficeEvent): readonly [kind: string, id: string] => {
  switch (event._tag) {
    case "QueueTokenIssued":
    case "QueueTokenAdmitted":
    case "QueueTokenExtended":
    case "QueueTokenCompleted":
    case "QueueTokenLeft":
    case "QueueTokenLapsed":
      return ["queue_token", event.tokenId]
    case "QueueCreated":
    case "QueueCodesAdded":
    case "QueueOpened":
    case "QueueRescheduled":
    case "QueueModeChanged":
    case "QueueConfigured":
      return ["queue", event.queueId]
    case "WalletCharged":
      return ["wallet", event.userId]
    default:
      return ["reservation", event.reservationId]
  }
}

/**
 * The recorded answer to a command with an idempotency key: the engine repeats it for the same key.
 */
export interface RecordedOutcome {
  readonly commandId: CommandId
  readonly userId: UserId
  readonly operation: string
  /** A digest of the command's input. The same key with another digest is a conflict. */
  readonly fingerprint: string
  /** The answer, as text: see `Idempotency.ts`. */
  readonly outcome: string
}
