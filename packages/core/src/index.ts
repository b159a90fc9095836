/**
 * Box Office: the booking engine. The story in six lines, with `openBoxOffice` of
 * `@boxoffice/sql-store`:
 *
 * ```ts
 * const office = await openBoxOffice({ database, signingKeys })
 * const { token: queueToken } = await office.queue.join({ queueId, userId })
 * const hold = await office.reservations.hold({ userId, queueToken, performanceId, seatIds })
 * await office.wallet.charge({ userId, queueToken, amount: hold.amount })
 * const { reservationId } = hold
 * const payment = await office.payments.pay({ userId, queueToken, reservationId })
 * ```
 *
 * @module
 */

export {
  BoxOffice,
  type BoxOfficeOptions,
  type BoxOfficeServices,
  layerOf
} from "./BoxOffice.ts"
export { BoxOfficeStore } from "./BoxOfficeStore.ts"
export * from "./Catalog.ts"
export * from "./catalog/errors.ts"
export {
  AvailableDates,
  BookablePerformance,
  NewSeat,
  Performance,
  Seat,
  SeatMap,
  SeatOnMap,
  SeatStatus,
  Show,
  TimeZone
} from "./catalog/model.ts"
export * from "./Errors.ts"
export * from "./EventFeed.ts"
export {
  aggregateOf,
  type BoxOfficeEvent,
  type HoldLapsed,
  type HoldReleased,
  type PaymentRefunded,
  type QueueCodesAdded,
  type QueueConfigured,
  type QueueCreated,
  type QueueModeChanged,
  type QueueOpened,
  type QueueRescheduled,
  type QueueTokenAdmitted,
  type QueueTokenCompleted,
  type QueueTokenExtended,
  type QueueTokenIssued,
  type QueueTokenLapsed,
  type QueueTokenLeft,
  type ReservationPaid,
  type SeatsHeld,
  type WalletCharged
} from "./Events.ts"
export { type BatchOptions, BatchSettings } from "./engine/Command.ts"
export type { CommandOptions } from "./engine/Idempotency.ts"
export type { DeadLetter } from "./events/Deliveries.ts"
export * from "./events/errors.ts"
export type { ConsumerStatus, StartingPoint } from "./events/Outbox.ts"
export type { Caller, GateError } from "./Gate.ts"
export {
  HostTransaction,
  HostTransactionConflict,
  type HostTransactionError,
  HostTransactionRefused,
  within
} from "./HostTransaction.ts"
export {
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
export type { Interval } from "./Interval.ts"
export { type BoxOfficeError, isBoxOfficeError } from "./isBoxOfficeError.ts"
export { Amount, Currency, Money, money } from "./Money.ts"
export * from "./Payments.ts"
export {
  defaultPolicies,
  GatedOperation,
  Policies,
  PolicySettings,
  QueueSettings
} from "./Policies.ts"
export {
  type EngineServices,
  makeBoxOffice,
  type PromisedBoxOffice,
  type Store
} from "./Promises.ts"
export * from "./payment/errors.ts"
export * from "./payment/model.ts"
export * from "./policies/errors.ts"
export type {
  AdmissionRequest,
  ChargeRequest,
  GateRequest,
  HoldRequest,
  PolicyOptions,
  PricedSeat,
  RefundDecision,
  RefundRequest
} from "./policies/rules.ts"
export type { CatalogResults, PromisedCatalog } from "./promises/catalog.ts"
export type { PromisedEvents } from "./promises/events.ts"
export type { CallOptions, Outcome } from "./promises/outcome.ts"
export type { PaymentResults, PromisedPayments } from "./promises/payments.ts"
export type { PromisedQueue, QueueResults } from "./promises/queue.ts"
export type { PromisedReservations, ReservationResults } from "./promises/reservations.ts"
export type { BoxOfficeResults, OperationsWithin, PromisedOperations } from "./promises/styles.ts"
export type { PromisedWallet, WalletResults } from "./promises/wallet.ts"
export {
  type JoinInput,
  Queue,
  type QueueTokenError,
  type QueueTokenInput,
  type QueueTokenRefusal
} from "./Queue.ts"
export type {
  AddCodesError,
  AddedCodes,
  CodesInput,
  ConfigureError,
  CreatedQueue,
  CreateQueueError,
  QueueInput,
  QueuesPage,
  RescheduleError,
  SetModeError
} from "./QueueOperations.ts"
export * from "./queue/errors.ts"
export type { JoinError, Joined } from "./queue/join.ts"
export {
  commitmentOf,
  type Draw,
  type PublishedDraw,
  permutationOf,
  verifyLottery
} from "./queue/lottery.ts"
export {
  JoinedQueue,
  PublicQueueInfo,
  QueueDisplayMode,
  QueueInfo,
  QueueLane,
  QueueMode,
  QueueOpening,
  QueueTokenStatus,
  TokenState
} from "./queue/model.ts"
export * from "./Reservations.ts"
export * from "./reservation/errors.ts"
export { Reservation, ReservationCursor, ReservationStatus } from "./reservation/model.ts"
export { type Cleared, clearEnded, layerSweeper, sweep } from "./Sweeper.ts"
export { type QueueTokenContent, readQueueToken } from "./token/format.ts"
export { QueueTokens, type SigningKey, SigningKeysInvalid } from "./token/QueueTokens.ts"
export * from "./Wallet.ts"
export {
  isWebhookSecret,
  newWebhookSecret,
  type ReceivedWebhook,
  signWebhook,
  verifyWebhook,
  WebhookRefused
} from "./WebhookSignature.ts"
export * from "./wallet/errors.ts"
export { Balance, Charge, TransferKind, WalletEntry } from "./wallet/model.ts"
