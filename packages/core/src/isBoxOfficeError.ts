/** Tells the engine's own errors from all others that a promise may reject with. */
import type {
  AlreadyExists,
  PerformanceNotFound,
  SeatNotFound,
  ShowNotFound
} from "./catalog/errors.ts"
import type { IdempotencyConflict, Overloaded, RequestInvalid, StoreUnavailable } from "./Errors.ts"
import type { HostTransactionConflict, HostTransactionRefused } from "./HostTransaction.ts"
import type { PaymentNotFound } from "./payment/errors.ts"
import type { PolicyFailed, RefundRefused } from "./policies/errors.ts"
import type {
  QueueAlreadyOpen,
  QueueClosed,
  QueueCodeInvalid,
  QueueNotFound,
  QueueTokenExpired,
  QueueTokenInvalid,
  QueueTokenRequired,
  QueueTokenWaiting,
  QueueTokenWrongQueue
} from "./queue/errors.ts"
import type {
  HoldExpired,
  LimitExceeded,
  ReservationNotFound,
  ReservationNotPayable,
  SeatUnavailable
} from "./reservation/errors.ts"
import type { CurrencyMismatch, InsufficientBalance } from "./wallet/errors.ts"

/** Every error that an operation can refuse with. */
export type BoxOfficeError =
  | AlreadyExists
  | CurrencyMismatch
  | HoldExpired
  | HostTransactionConflict
  | HostTransactionRefused
  | IdempotencyConflict
  | InsufficientBalance
  | LimitExceeded
  | Overloaded
  | PaymentNotFound
  | PerformanceNotFound
  | PolicyFailed
  | QueueAlreadyOpen
  | QueueClosed
  | QueueCodeInvalid
  | QueueNotFound
  | QueueTokenExpired
  | QueueTokenInvalid
  | QueueTokenRequired
  | QueueTokenWaiting
  | QueueTokenWrongQueue
  | RefundRefused
  | RequestInvalid
  | ReservationNotFound
  | ReservationNotPayable
  | SeatNotFound
  | SeatUnavailable
  | ShowNotFound
  | StoreUnavailable

const tags: { readonly [Tag in BoxOfficeError["_tag"]]: true } = {
  AlreadyExists: true,
  CurrencyMismatch: true,
  HoldExpired: true,
  HostTransactionConflict: true,
  HostTransactionRefused: true,
  IdempotencyConflict: true,
  InsufficientBalance: true,
  LimitExceeded: true,
  Overloaded: true,
  PaymentNotFound: true,
  PerformanceNotFound: true,
  PolicyFailed: true,
  QueueAlreadyOpen: true,
  QueueClosed: true,
  QueueCodeInvalid: true,
  QueueNotFound: true,
  QueueTokenExpired: true,
  QueueTokenInvalid: true,
  QueueTokenRequired: true,
  QueueTokenWaiting: true,
  QueueTokenWrongQueue: true,
  RefundRefused: true,
  RequestInvalid: true,
  ReservationNotFound: true,
  ReservationNotPayable: true,
  SeatNotFound: true,
  SeatUnavailable: true,
  ShowNotFound: true,
  StoreUnavailable: true
}

/**
 * Whether a thrown value is an error of the engine. Then `error.code` is a stable text with its own
 * page in the documentation, `error._tag` names the type, and `error.message` is for people. The
 * check uses the tag and not the class, so that two copies of the package recognise each other's
 * errors.
 *
 * @example
 * ```ts
 * import { isBoxOfficeError } from "@boxoffice/core"
 *
 * const statusOf = (error: unknown): number => {
 *   if (!isBoxOfficeError(error)) throw error
 *   return error.code === "seat_unavailable" ? 409 : 400
 * }
 * ```
 */
export const isBoxOfficeError = (error: unknown): error is BoxOfficeError =>
  error instanceof Error &&
  "code" in error &&
  "_tag" in error &&
  Object.hasOwn(tags, error._tag as PropertyKey)
