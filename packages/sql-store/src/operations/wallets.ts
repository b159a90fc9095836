import type { TransferId, UserId } from "@boxoffice/core"
import type { Page, TransferRow, WalletRow } from "@boxoffice/core/store"
import { bigint, instant, type Query, type Row, uuids } from "../Query.ts"
import type { SchemaName } from "../schemaName.ts"

export const readWallet = (schema: SchemaName) => {
  const sql = `
    SELECT user_id, currency, balance, version FROM ${schema}.wallet WHERE user_id = $1::text`
  return (userId: UserId): Query<WalletRow | undefined> => ({
    sql,
    params: [userId],
    read: ([row]) =>
      row && { userId: row[0], currency: row[1], balance: bigint(row[2]), version: Number(row[3]) }
  })
}

const transferColumns = `transfer_id, kind, user_id, counter_account, amount, currency, version,
      balance, reservation_id, made_at`

const transferOf = (row: Row): TransferRow => ({
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

/** Transfers by their ids. */
export const findTransfers = (schema: SchemaName) => {
  const sql = `
    SELECT ${transferColumns} FROM ${schema}.transfer WHERE transfer_id = ANY($1::uuid[])`
  return (transferIds: ReadonlySet<TransferId>): Query<ReadonlyArray<TransferRow>> => ({
    sql,
    params: [uuids(transferIds)],
    read: (rows) => rows.map(transferOf)
  })
}

/** A wallet's, newest first; `after` is a version. */
export const readTransfers = (schema: SchemaName) => {
  const sql = `
    SELECT ${transferColumns} FROM ${schema}.transfer
    WHERE user_id = $1::text AND version < $2::int8 ORDER BY version DESC LIMIT $3::int8`
  const newest = 2n ** 63n - 1n
  return (userId: UserId, { after, limit }: Page<number>): Query<ReadonlyArray<TransferRow>> => ({
    sql,
    params: [userId, after === undefined ? newest : BigInt(after), BigInt(limit)],
    read: (rows) => rows.map(transferOf)
  })
}
