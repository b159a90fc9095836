import type { WalletRow } from "@boxoffice/core/store"
import { bigints, type Query, texts } from "../../Query.ts"
import type { SchemaName } from "../../schemaName.ts"

/**
 * Writes the balances at the end of the batch: one row write a wallet, however many transfers.
 * Comes behind the transfers, since a wallet refers to its last one. The rows are locked.
 */
export const updateWallets = (schema: SchemaName) => {
  const sql = `
    UPDATE ${schema}.wallet w SET balance = saved.balance, version = saved.version
    FROM unnest($1::text[], $2::int8[], $3::int8[]) AS saved (user_id, balance, version)
    WHERE w.user_id = saved.user_id`
  return (rows: ReadonlyArray<WalletRow>): Query<void> => ({
    sql,
    params: [
      texts(rows.map((row) => row.userId)),
      bigints(rows.map((row) => row.balance)),
      bigints(rows.map((row) => BigInt(row.version)))
    ],
    read: () => {}
  })
}
