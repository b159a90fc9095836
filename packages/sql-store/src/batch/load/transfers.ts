import type { TransferId } from "@boxoffice/core"
import type { TransferRow } from "@boxoffice/core/store"
import { transferColumns, transferOf } from "../../columns/transfer.ts"
import { type Query, uuids } from "../../Query.ts"
import type { SchemaName } from "../../schemaName.ts"

/** Transfers by id. Not locked, since no command changes a transfer. */
export const loadTransfers = (schema: SchemaName) => {
  const sql = `
    SELECT ${transferColumns} FROM ${schema}.transfer WHERE transfer_id = ANY($1::uuid[])`
  return (transferIds: ReadonlySet<TransferId>): Query<ReadonlyArray<TransferRow>> => ({
    sql,
    params: [uuids(transferIds)],
    read: (rows) => rows.map(transferOf)
  })
}
