import type { TransferRow } from "@boxoffice/core"
import { bigints, instants, type Query, texts, uuids } from "../Query.ts"
import type { SchemaName } from "../schemaName.ts"

/** New entries, each wallet's in order. Behind the wallets and reservations they refer to. */
export const insertTransfers = (schema: SchemaName) => {
  const sql = `
    INSERT INTO ${schema}.transfer (transfer_id, kind, user_id, counter_account, amount, currency,
      version, balance, reservation_id, made_at)
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::int8[], $6::text[],
      $7::int8[], $8::int8[], $9::uuid[], $10::timestamptz[])`
  return (rows: ReadonlyArray<TransferRow>): Query<void> => ({
    sql,
    params: [
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
    ],
    read: () => {}
  })
}
