/** Reads wallets and their transfers. */
import type { UserId } from "@boxoffice/core"
import type { PageRequest, TransferRow, WalletRow } from "@boxoffice/core/store"
import { transferColumns, transferOf } from "../columns/transfer.ts"
import { bigint, type Query } from "../Query.ts"
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

/** The transfers of a wallet, newest first; `after` is a version. */
export const readTransfers = (schema: SchemaName) => {
  const sql = `
    SELECT ${transferColumns} FROM ${schema}.transfer
    WHERE user_id = $1::text AND version < $2::int8 ORDER BY version DESC LIMIT $3::int8`
  const newest = 2n ** 63n - 1n
  return (
    userId: UserId,
    { after, limit }: PageRequest<number>
  ): Query<ReadonlyArray<TransferRow>> => ({
    sql,
    params: [userId, after === undefined ? newest : BigInt(after), BigInt(limit)],
    read: (rows) => rows.map(transferOf)
  })
}
