/** How events move money: each transfer changes one wallet, and adds one row to its ledger. */
import type { PaymentRefunded, ReservationPaid, WalletCharged } from "../Events.ts"
import type { Rows } from "../engine/Rows.ts"
import type { ReservationId, TransferId, UserId } from "../Ids.ts"
import type { TransferRow } from "./model.ts"

/** The counter account that a charge is taken from. */
const cashAccount = "cash"

/** The counter account that a show's payments go to. */
const revenueAccount = (showId: string): string => `revenue:${showId}`

export const evolveWallet = (
  rows: Rows,
  event: WalletCharged | ReservationPaid | PaymentRefunded
): void => {
  switch (event._tag) {
    case "WalletCharged":
      return transfer(rows, event, {
        transferId: event.transferId,
        kind: "charge",
        counterAccount: cashAccount,
        gain: event.amount.amount,
        reservationId: null
      })
    case "ReservationPaid":
      if (isFree(rows, event.reservationId)) return
      return transfer(rows, event, {
        transferId: event.paymentId,
        kind: "payment",
        counterAccount: revenueAccount(event.showId),
        gain: -event.amount.amount,
        reservationId: event.reservationId
      })
    case "PaymentRefunded":
      if (isFree(rows, event.reservationId)) return
      return transfer(rows, event, {
        transferId: event.refundId,
        kind: "refund",
        counterAccount: revenueAccount(event.showId),
        gain: event.amount.amount,
        reservationId: event.reservationId
      })
  }
}

/** A reservation that costs nothing moves no money and makes no wallet. */
const isFree = (rows: Rows, reservationId: ReservationId): boolean =>
  rows.reservations.get(reservationId)!.amount.amount === 0n

const transfer = (
  rows: Rows,
  event: { readonly userId: UserId; readonly amount: { currency: string }; readonly at: number },
  {
    gain,
    ...transfer
  }: {
    readonly transferId: TransferId
    readonly kind: TransferRow["kind"]
    readonly counterAccount: string
    readonly gain: bigint
    readonly reservationId: ReservationId | null
  }
): void => {
  const { userId, at } = event
  const { currency } = event.amount
  const before = rows.wallets.get(userId)
  const balance = (before?.balance ?? 0n) + gain
  const version = (before?.version ?? 0) + 1
  const after = { userId, currency, balance, version }
  if (before === undefined) rows.wallets.add(userId, after)
  else rows.wallets.change(userId, after)
  rows.addTransfer({ ...transfer, userId, amount: gain, currency, version, balance, at })
}
