/**
 * Everything that can happen, once. An event evolves the rows in memory, is what the outbox
 * carries, and is what a decider answers with.
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
import type { QueueSettings } from "./Policies.ts"
import type { QueueLane, QueueMode } from "./queue/model.ts"

interface TokenEvent {
  readonly tokenId: TokenId
  readonly queueId: QueueId
  readonly userId: UserId
  /** Milliseconds since 1970 by the database's clock. */
  readonly at: number
}

export interface QueueTokenIssued extends TokenEvent {
  readonly _tag: "QueueTokenIssued"
  /** The lane, where it is not the general one. */
  readonly lane?: QueueLane
  readonly number: bigint
  /** The digest of the code that opened the lane. */
  readonly codeHash?: string
}
export interface QueueTokenAdmitted extends TokenEvent {
  readonly _tag: "QueueTokenAdmitted"
  /** Whether the user was there to see it. */
  readonly claimed: boolean
  readonly expiresAt: number
}
/** The admitted user showed up, or was seen again: the token lives on until `expiresAt`. */
export interface QueueTokenExtended extends TokenEvent {
  readonly _tag: "QueueTokenExtended"
  readonly expiresAt: number
}
export interface QueueTokenCompleted extends TokenEvent {
  readonly _tag: "QueueTokenCompleted"
}
/** The user left; or was away from the line for so long that they must have. */
export interface QueueTokenLeft extends TokenEvent {
  readonly _tag: "QueueTokenLeft"
  readonly away?: true
}
/** An admitted user did not show up, or was idle too long; or waited for a queue that was closed. */
export interface QueueTokenLapsed extends TokenEvent {
  readonly _tag: "QueueTokenLapsed"
  /** There where the user had never shown up. */
  readonly unclaimed?: true
  /** There where the user still waited when the queue was closed. */
  readonly closed?: true
}

interface OfQueue {
  readonly queueId: QueueId
  readonly at: number
}

/** A queue was made. Of its draw it says what may be known before: see `queue/lottery.ts`. */
export interface QueueCreated extends OfQueue {
  readonly _tag: "QueueCreated"
  readonly settings: QueueSettings
  /** There where it collects people first. */
  readonly opening?: { readonly opensAt: number; readonly commitment: string }
}
/** Codes that open the priority lane can be used this often from now on. Which, nobody is told. */
export interface QueueCodesAdded extends OfQueue {
  readonly _tag: "QueueCodesAdded"
  /** How many. */
  readonly codes: number
  readonly uses: number
}
/** The queue opened, and drew the places of those who had come: see `queue/lottery.ts`. */
export interface QueueOpened extends OfQueue {
  readonly _tag: "QueueOpened"
  readonly seed: string
  readonly drawn: bigint
}
export interface QueueRescheduled extends OfQueue {
  readonly _tag: "QueueRescheduled"
  readonly opensAt: number
  readonly before: number
}
export interface QueueModeChanged extends OfQueue {
  readonly _tag: "QueueModeChanged"
  readonly mode: QueueMode
  readonly before: QueueMode
}
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

export interface SeatsHeld extends OfReservation {
  readonly _tag: "SeatsHeld"
  readonly seats: ReadonlyArray<Seat>
  readonly amount: Money
  readonly holdExpiresAt: number
}
export interface HoldReleased extends OfReservation {
  readonly _tag: "HoldReleased"
  readonly seatIds: ReadonlyArray<SeatId>
}
/** A hold lapsed. Late by nature: the seats were free from `holdExpiresAt` on. */
export interface HoldLapsed extends OfReservation {
  readonly _tag: "HoldLapsed"
  readonly holdExpiresAt: number
  /** The seats that nobody else has taken since. */
  readonly seatIds: ReadonlyArray<SeatId>
}

export interface WalletCharged {
  readonly _tag: "WalletCharged"
  readonly transferId: TransferId
  readonly userId: UserId
  readonly amount: Money
  readonly at: number
}
export interface ReservationPaid extends OfReservation {
  readonly _tag: "ReservationPaid"
  readonly paymentId: TransferId
  readonly showId: ShowId
  readonly seatIds: ReadonlyArray<SeatId>
  readonly amount: Money
}
export interface PaymentRefunded extends OfReservation {
  readonly _tag: "PaymentRefunded"
  readonly refundId: TransferId
  readonly paymentId: TransferId
  readonly showId: ShowId
  readonly seatIds: ReadonlyArray<SeatId>
  readonly amount: Money
}

/** What happens to a token that there is. */
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

/** The aggregate whose order of events a consumer can rely on: its kind and its id. */
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

/** The first answer to a command that carried an idempotency key, to be given again. */
export interface RecordedOutcome {
  readonly commandId: CommandId
  readonly userId: UserId
  readonly operation: string
  /** A digest of what was asked for. The same key with another digest is a conflict. */
  readonly fingerprint: string
  /** The answer, as text: see `Idempotency.ts`. */
  readonly outcome: string
}
