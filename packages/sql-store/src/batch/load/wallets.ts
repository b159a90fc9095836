import type { UserId } from "@boxoffice/core"
import type { WalletRow } from "@boxoffice/core/store"
import { bigint, type Query, texts } from "../../Query.ts"
import type { SchemaName } from "../../schemaName.ts"

/**
 * Lock 3, by user_id. A wallet that does not exist cannot be locked: if two nodes create it at
 * once, the second insert conflicts, and that batch runs again.
 */
export const lockWallets = (schema: SchemaName) => {
  // Guard lock-wallet: without "FOR NO KEY UPDATE", rowLocks.test "waits for a wallet" fails.
  // Guard lock-wallet-order: without "ORDER BY user_id ", locks.test "rows are sorted before" fails.
  const sql = `
    SELECT user_id, currency, balance, version FROM ${schema}.wallet
    WHERE user_id = ANY($1)
    ORDER BY user_id FOR NO KEY UPDATE`
  return (userIds: Iterable<UserId>): Query<ReadonlyArray<WalletRow>> => ({
    sql,
    params: [texts(userIds)],
    read: (rows) =>
      rows.map(([userId, currency, balance, version]) => ({
        userId,
        currency,
        balance: bigint(balance),
        version: Number(version)
      }))
  })
}
