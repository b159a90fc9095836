import type { WalletRow } from "@boxoffice/core"
import { bigints, type Query, texts } from "../Query.ts"
import type { SchemaName } from "../schemaName.ts"

/**
 * Wallets that were not there, by user_id. Where another node made one first, this waits for it
 * and conflicts with `wallet_pkey`.
 */
export const insertWallets = (schema: SchemaName) => {
  const sql = `
    INSERT INTO ${schema}.wallet (user_id, currency, balance, version)
    SELECT * FROM unnest($1::text[], $2::text[], $3::int8[], $4::int8[]) AS saved (id)
    ORDER BY id COLLATE "C"`
  return (rows: ReadonlyArray<WalletRow>): Query<void> => ({
    sql,
    params: [
      texts(rows.map((row) => row.userId)),
      texts(rows.map((row) => row.currency)),
      bigints(rows.map((row) => row.balance)),
      bigints(rows.map((row) => BigInt(row.version)))
    ],
    read: () => {}
  })
}

/** Balances as the batch leaves them: one row write, however many transfers. */
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
