/**
 * The schemas of the HTTP API: models, errors and ids. This entry point imports no module that a
 * browser lacks.
 *
 * @module
 */
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
export {
  IdempotencyKey,
  isSmall,
  lengthsOf,
  Name,
  PageLimit,
  someProblems,
  toRequestInvalid,
  unknownField
} from "./engine/input.ts"
export * from "./Ids.ts"
export { Instant, Milliseconds } from "./Instant.ts"
export { type BoxOfficeError, isBoxOfficeError } from "./isBoxOfficeError.ts"
export * from "./Money.ts"
export * from "./payment/errors.ts"
export * from "./payment/model.ts"
export { PolicyFailed, PolicyName, RefundRefused } from "./policies/errors.ts"
export { QueueSettings } from "./policies/settings.ts"
export * from "./queue/errors.ts"
export {
  CodeUses,
  JoinedQueue,
  PublicQueueInfo,
  QueueCodes,
  QueueDisplayMode,
  QueueInfo,
  QueueLane,
  QueueMode,
  QueueOpening,
  QueueTokenStatus,
  queueTokenStatusFields,
  TokenState
} from "./queue/model.ts"
export * from "./reservation/errors.ts"
export { Reservation, ReservationCursor, ReservationStatus } from "./reservation/model.ts"
export * from "./wallet/errors.ts"
export { Balance, Charge, TransferKind, WalletEntry } from "./wallet/model.ts"
