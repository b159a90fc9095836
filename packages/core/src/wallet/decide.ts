/** Rules of charging a wallet. Pure: rows in, an event or a refusal out. */
import { Result } from "effect"
import type { WalletCharged } from "../Events.ts"
import type { Rows } from "../engine/Rows.ts"
import type { TransferId, UserId } from "../Ids.ts"
import { copyMoney, type Money } from "../Money.ts"
import type { PolicyFailed } from "../policies/errors.ts"
import { askWalletCeiling } from "../policies/evaluate.ts"
import type { PolicyOptions } from "../policies/rules.ts"
import { LimitExceeded } from "../reservation/errors.ts"
import { CurrencyMismatch } from "./errors.ts"

export interface ChargeCommand {
  readonly transferId: TransferId
  readonly userId: UserId
  readonly amount: Money
}

export type ChargeRefusal = LimitExceeded | CurrencyMismatch | PolicyFailed

/**
 * A charge must be in the wallet's currency, and must not raise the balance above the host's
 * ceiling.
 */
export const decideCharge = (
  rows: Rows,
  charge: ChargeCommand,
  policies: Pick<PolicyOptions, "walletCeiling" | "currency">
): Result.Result<WalletCharged, ChargeRefusal> => {
  const wallet = rows.wallets.get(charge.userId)
  const expected = wallet?.currency ?? policies.currency
  const ceiling = askWalletCeiling(policies, () => ({
    userId: charge.userId,
    amount: copyMoney(charge.amount),
    balance:
      wallet === undefined
        ? null
        : copyMoney({ amount: wallet.balance, currency: wallet.currency }),
    now: new Date(rows.now)
  }))
  if (Result.isFailure(ceiling)) return Result.fail(ceiling.failure)
  // Guard wallet-ceiling: without it, money.test "goes up to the ceiling" fails.
  if ((wallet?.balance ?? 0n) + charge.amount.amount > ceiling.success) {
    const limit = Number(ceiling.success)
    return Result.fail(new LimitExceeded({ name: "walletCeiling", limit }))
  }
  // Guard charge-currency: without it, money.test "keeps to the wallet's currency" fails.
  if (charge.amount.currency !== expected) {
    return Result.fail(new CurrencyMismatch({ expected, actual: charge.amount.currency }))
  }
  const { transferId, userId, amount } = charge
  return Result.succeed({ _tag: "WalletCharged", transferId, userId, amount, at: rows.now })
}
