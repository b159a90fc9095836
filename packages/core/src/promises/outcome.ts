/** What the operations of both styles share: see `Promises.ts`. */

/**
 * The answer of an operation as a value: what it gives, or the error that it refuses with.
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
   * Stops the waiting: the promise rejects with the signal's `reason`. A command that no batch has
   * taken yet is dropped and has no effect. One that a batch has taken takes its course, and
   * nobody hears of it: repeat it with the same idempotency key to learn what became of it.
   */
  readonly signal?: AbortSignal | undefined
}
