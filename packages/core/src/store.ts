/**
 * What a store is written with: the port, the plan that a batch is loaded by, its rows, the codec of
 * events, and the rules that every store shares. A host needs none of it.
 *
 * @module
 */

export * from "./BoxOfficeStore.ts"
export { isOnSale, type PerformanceRow, type StoredPerformance } from "./catalog/model.ts"
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
export { commandIdOf, newCommandId } from "./engine/CommandIds.ts"
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
export { decodeEvents, encodeEvents } from "./events/codec.ts"
export { fromCursor, pageOf, toCursor } from "./events/cursor.ts"
export type * from "./events/Deliveries.ts"
export type * from "./events/Outbox.ts"

export { checkNames } from "./options.ts"
export { handleDropped } from "./policies/dropped.ts"
export {
  absentAfterSeconds,
  numbersPerBlock,
  presencePeriodSeconds,
  type Sighting,
  wasSeen
} from "./queue/live/presence.ts"
export type {
  AdmissionCount,
  Departure,
  LaneRow,
  Opening,
  QueueRow,
  TokenRow
} from "./queue/model.ts"
export {
  isPreOpening,
  laneRow,
  placeOf,
  type SkippedHead,
  withLaneRow,
  withLoaded
} from "./queue/position.ts"
export {
  type ReservationRow,
  reservationStatusAt,
  type SeatRow,
  seatStatusAt,
  toReservation,
  type UnpaidHold
} from "./reservation/model.ts"
export type { TransferRow, WalletRow } from "./wallet/model.ts"
