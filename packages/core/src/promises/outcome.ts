/** Types that the operations of both styles share: see `Promises.ts`. */

/**
 * The outcome of an operation as a value: its result, or the error that it refuses with.
 *
 * @example
 * ```ts
 * import type { InsufficientBalance, Outcome, Payment } from "@boxoffice/core"
 *
 * const describe = (paid: Outcome<Payment, InsufficientBalance>): string =>
 *   paid.ok ? `paid ${paid.value.amount.amount}` : paid.error.message
 * ```
 */
export type Outcome<A, E> =
  | { readonly ok: true; readonly value: A }
  | { readonly ok: false; readonly error: E }

/** The last argument of every operation. */
export interface CallOptions {
  /**
   * Stops waiting: the promise rejects with the signal's `reason`. A command that no batch has
   * taken yet is dropped and has no effect. A command that a batch has taken runs to its end, but
   * its outcome is not reported: repeat it with the same idempotency key to learn the outcome.
   */
  readonly signal?: AbortSignal | undefined
}
