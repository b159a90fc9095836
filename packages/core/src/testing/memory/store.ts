/** A store of one node, over connections of its own to a database in memory. */
import { Effect } from "effect"
import { BoxOfficeStore } from "../../BoxOfficeStore.ts"
import type { NodeLink, Server } from "./connection.ts"
import { unavailable } from "./failures.ts"
import { makeLockedRows } from "./lockedRows.ts"
import { makeOperations, type SendRead } from "./operations.ts"
import { Pool } from "./Pool.ts"
import type { Schema } from "./schema.ts"
import { makeTransact } from "./transact.ts"

export interface StoreOptions {
  readonly server: Server
  readonly schema: Schema
  readonly link: NodeLink | undefined
  readonly uuid: () => string
  readonly backsOff: boolean
}

/** As in the SQL store, a quarter of the connections, at most four, serve all reads. */
export const makeStore = ({
  server,
  schema,
  link,
  uuid,
  backsOff
}: StoreOptions): BoxOfficeStore["Service"] => {
  const connections = Math.max(2, link?.maxConnections ?? 10)
  const readers = Math.max(1, Math.min(4, connections >> 2))
  const reads = new Pool(server, link, readers)
  const pool = new Pool(server, link, connections - readers)
  const send: SendRead = (name, pipeline) =>
    Effect.mapError(
      reads.use(
        (connection) => connection.send(name, pipeline),
        (failure) => failure
      ),
      unavailable
    )
  const context = { pool, schema, uuid, backsOff, lockTimeoutMs: link?.lockTimeoutMs ?? 1_500 }
  return BoxOfficeStore.of({
    ...makeOperations(schema, uuid, send),
    transact: makeTransact(context),
    lockedRows: makeLockedRows(context),
    closing: Effect.void
  })
}
