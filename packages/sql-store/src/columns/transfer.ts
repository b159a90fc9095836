/** The columns of a transfer. */
import type { TransferRow } from "@boxoffice/core/store"
import { bigint, instant, type Row } from "../Query.ts"

export const transferColumns = `transfer_id, kind, user_id, counter_account, amount, currency, version,
      balance, reservation_id, made_at`

export const transferOf = (row: Row): TransferRow => ({
  transferId: row[0],
  kind: row[1],
  userId: row[2],
  counterAccount: row[3],
  amount: bigint(row[4]),
  currency: row[5],
  version: Number(row[6]),
  balance: bigint(row[7]),
  reservationId: row[8],
  at: instant(row[9])
})
