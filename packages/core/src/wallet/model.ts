/** Types of the wallet: a user's prepaid balance, and the transfers that change it. */
import { Schema } from "effect"
import { ReservationId, TransferId, UserId } from "../Ids.ts"
import { Instant } from "../Instant.ts"
import { type Currency, Money } from "../Money.ts"

/** A user's balance. A user who never charged has 0. */
export const Balance = Schema.Struct({ userId: UserId, balance: Money }).annotate({
  identifier: "Balance"
})
export interface Balance extends Schema.Schema.Type<typeof Balance> {}

/** The result of a charge. */
export const Charge = Schema.Struct({
  transferId: TransferId,
  amount: Money,
  balance: Money
}).annotate({ identifier: "Charge" })
export interface Charge extends Schema.Schema.Type<typeof Charge> {}

export const TransferKind = Schema.Literals(["charge", "payment", "refund"])
export type TransferKind = typeof TransferKind.Type

/** One line of a wallet's statement. */
export const WalletEntry = Schema.Struct({
  transferId: TransferId,
  kind: TransferKind,
  /** The change of the balance: negative for a payment. */
  amount: Money,
  /** The balance right after this entry. */
  balance: Money,
  reservationId: Schema.NullOr(ReservationId),
  at: Instant
}).annotate({ identifier: "WalletEntry" })
export interface WalletEntry extends Schema.Schema.Type<typeof WalletEntry> {}

/** A wallet as stored. `version` counts its entries: 1 for the first. */
export interface WalletRow {
  readonly userId: UserId
  readonly currency: Currency
  readonly balance: bigint
  readonly version: number
}

/**
 * One movement of money as stored. Both ledger entries are in one row, so they always sum to zero:
 * the wallet gains `amount`, and the counter account (`cash`, or a show's revenue) loses it.
 */
export interface TransferRow {
  readonly transferId: TransferId
  readonly kind: TransferKind
  readonly userId: UserId
  readonly counterAccount: string
  readonly amount: bigint
  readonly currency: Currency
  /** The wallet's version and balance right after. */
  readonly version: number
  readonly balance: bigint
  readonly reservationId: ReservationId | null
  readonly at: number
}
