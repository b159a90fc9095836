/**
 * What a store is written with: the port, the plan that a batch is loaded by, its rows, the codec of
 * events, and the rules that every store shares. A host needs none of it.
 *
 * @module
 */

export { optionNames } from "./BoxOffice.ts"
export * from "./BoxOfficeStore.ts"
export { isOnSale, type PerformanceRow, type StoredPerformance } from "./catalog/model.ts"
export type { RecordedOutcome } from "./Events.ts"
export {
  type AttemptFault,
  type AttemptStatus,
  type CommitStatus,
  type FailedAttempt,
  isContentionState,
  isKeyOfCommand,
  isPassingState,
  isSharedKey,
  retryAttempts,
  settleCommit,
  statementTimeoutOf,
  waitOf
} from "./engine/attempts.ts"
// What the other packages of Box Office do in the same way.
export { runInBackground } from "./engine/backgroundLoop.ts"
export { Closed } from "./engine/Closed.ts"
export { commandIdOf, newCommandId } from "./engine/CommandIds.ts"
export { handleDropped } from "./engine/droppedPromises.ts"
export { evolve } from "./engine/evolve.ts"
export { toRequestInvalid } from "./engine/input.ts"
export * from "./engine/LoadPlan.ts"
export {
  type Changes,
  type CodeRow,
  type LoadedRows,
  Rows,
  seatCountKey,
  seatKey
} from "./engine/Rows.ts"
export { decodeEvents, encodeEvents, withJson } from "./events/codec.ts"
export { fromCursor, outboxPageOf, toCursor } from "./events/cursor.ts"
export * from "./events/Deliveries.ts"
export type * from "./events/Outbox.ts"
export { checkNames, lettersApart } from "./options.ts"
export { idempotencyKeySecondsMin } from "./policies/settings.ts"
export type {
  AdmissionCount,
  Departure,
  LaneRow,
  Opening,
  QueueRow,
  TokenRow
} from "./queue/model.ts"
export { isPreOpening, placeOf, type SkippedHead, withLoaded } from "./queue/position.ts"
export {
  absentAfterSeconds,
  numbersPerBlock,
  presencePeriodSeconds,
  type Sighting,
  wasSeen
} from "./queue/presence.ts"
export {
  type ReservationRow,
  reservationStatusAt,
  type SeatRow,
  seatStatusAt,
  toReservation,
  type UnpaidHold
} from "./reservation/model.ts"
export { encodeWebhook } from "./WebhookSignature.ts"
export type { TransferRow, WalletRow } from "./wallet/model.ts"
