/** The wallet as promises. */
import type { Overloaded, RequestInvalid, StoreUnavailable } from "../Errors.ts"
import type { Caller, GateError } from "../Gate.ts"
import type { ChargeError, ChargeInput, EntriesPage } from "../Wallet.ts"
import type { Balance, Charge } from "../wallet/model.ts"
import type { CallOptions, Outcome } from "./outcome.ts"

/**
 * Users' prepaid balances. Amounts are whole minor units (cents, won) as `bigint`. Every operation
 * can reject with `request_invalid` and `store_unavailable`.
 */
export interface PromisedWallet {
  /**
   * Adds money to the user's wallet, more than zero and in its currency. Gated, except for an
   * operator (`byOperator`). Give an `idempotencyKey`: then a repeated charge moves the money once.
   *
   * Rejects with the gate's `queue_token_*`, `limit_exceeded` (the wallet's ceiling),
   * `currency_mismatch`, `idempotency_key_reused`, `overloaded` and, if a policy function of the
   * host fails, `policy_failed`.
   *
   * @example
   * ```ts
   * import type { PromisedBoxOffice, Caller } from "@boxoffice/core"
   *
   * const topUp = (office: PromisedBoxOffice, caller: Caller, orderId: string) =>
   *   office.wallet.charge({
   *     ...caller,
   *     amount: { amount: 50_000n, currency: "KRW" },
   *     idempotencyKey: `order-${orderId}`
   *   })
   * ```
   */
  readonly charge: (input: ChargeInput, options?: CallOptions) => Promise<Charge>

  /**
   * The balance of the user's wallet; 0 if the user never charged it. Gated.
   *
   * Rejects with the gate's `queue_token_*` and `policy_failed`, `overloaded`.
   */
  readonly balance: (caller: Caller, options?: CallOptions) => Promise<Balance>

  /**
   * A page of the wallet's statement, newest first: `limit` entries (1 to 200, default 50). For the
   * following page, give the `next` of this one as `after`.
   */
  readonly entries: (
    input: {
      readonly userId: string
      readonly limit?: number | undefined
      readonly after?: number | undefined
    },
    options?: CallOptions
  ) => Promise<EntriesPage>
}

/** The operations of {@link PromisedWallet}, with their errors as values. */
export interface WalletResults {
  /** See {@link PromisedWallet.charge}. */
  readonly charge: (
    input: ChargeInput,
    options?: CallOptions
  ) => Promise<Outcome<Charge, ChargeError>>
  /** See {@link PromisedWallet.balance}. */
  readonly balance: (
    caller: Caller,
    options?: CallOptions
  ) => Promise<Outcome<Balance, GateError | RequestInvalid | Overloaded | StoreUnavailable>>
  /** See {@link PromisedWallet.entries}. */
  readonly entries: (
    input: {
      readonly userId: string
      readonly limit?: number | undefined
      readonly after?: number | undefined
    },
    options?: CallOptions
  ) => Promise<Outcome<EntriesPage, RequestInvalid | StoreUnavailable>>
}
