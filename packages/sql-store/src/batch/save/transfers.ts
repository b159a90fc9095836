import type { TransferRow, WalletRow } from "@boxoffice/core/store"
import { transferColumns } from "../../columns/transfer.ts"
import { bigints, instants, type Query, texts, uuids } from "../../Query.ts"
import type { SchemaName } from "../../schemaName.ts"

const moved = `unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::int8[], $6::text[],
      $7::int8[], $8::int8[], $9::uuid[], $10::timestamptz[]) AS moved`

/**
 * Inserts transfers, in order within each wallet. Comes behind new reservations, to which a transfer
 * can refer, and before the updates of wallets and reservations, which refer to their last transfer.
 */
export const insertTransfers = (schema: SchemaName) => {
  const sql = `
    INSERT INTO ${schema}.transfer (${transferColumns})
    SELECT moved.* FROM ${moved}`
  return (rows: ReadonlyArray<TransferRow>): Query<void> => ({
    sql,
    params: valuesOf(rows),
    read: () => {}
  })
}

/**
 * Inserts new wallets, by user_id, and all transfers of the batch. If another node created a wallet
 * first, this waits for that node and conflicts with `wallet_pkey`.
 *
 * A wallet refers to its last transfer, and the transfer to the wallet. In one statement both exist
 * before Postgres checks, even if the host has made that constraint immediate. The count of
 * inserted wallets makes Postgres insert the transfers behind all of them: otherwise a transfer of
 * another node's wallet would conflict with a key that does not identify the wallet.
 */
export const insertTransfersOfNew = (schema: SchemaName) => {
  const sql = `
    WITH made AS (
      INSERT INTO ${schema}.wallet (user_id, currency, balance, version)
      SELECT * FROM unnest($11::text[], $12::text[], $13::int8[], $14::int8[]) AS saved (id)
      ORDER BY id COLLATE "C"
      RETURNING user_id
    )
    INSERT INTO ${schema}.transfer (${transferColumns})
    SELECT moved.* FROM ${moved} WHERE (SELECT count(*) FROM made) > 0`
  return (wallets: ReadonlyArray<WalletRow>, rows: ReadonlyArray<TransferRow>): Query<void> => ({
    sql,
    params: [
      ...valuesOf(rows),
      texts(wallets.map((wallet) => wallet.userId)),
      texts(wallets.map((wallet) => wallet.currency)),
      bigints(wallets.map((wallet) => wallet.balance)),
      bigints(wallets.map((wallet) => BigInt(wallet.version)))
    ],
    read: () => {}
  })
}

const valuesOf = (rows: ReadonlyArray<TransferRow>) => [
  uuids(rows.map((row) => row.transferId)),
  texts(rows.map((row) => row.kind)),
  texts(rows.map((row) => row.userId)),
  texts(rows.map((row) => row.counterAccount)),
  bigints(rows.map((row) => row.amount)),
  texts(rows.map((row) => row.currency)),
  bigints(rows.map((row) => BigInt(row.version))),
  bigints(rows.map((row) => row.balance)),
  uuids(rows.map((row) => row.reservationId)),
  instants(rows.map((row) => row.at))
]
