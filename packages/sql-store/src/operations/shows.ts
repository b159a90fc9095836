/** Reads shows. */
import type { Show, ShowId } from "@boxoffice/core"
import type { PageRequest } from "@boxoffice/core/store"
import { showColumns, showOf } from "../columns/show.ts"
import type { Query } from "../Query.ts"
import type { SchemaName } from "../schemaName.ts"

export const readShow = (schema: SchemaName) => {
  const sql = `SELECT ${showColumns} FROM ${schema}.show WHERE show_id = $1::text`
  return (showId: ShowId): Query<Show | undefined> => ({
    sql,
    params: [showId],
    read: ([row]) => row && showOf(row)
  })
}

/** By id. */
export const readShows = (schema: SchemaName) => {
  const sql = `
    SELECT ${showColumns} FROM ${schema}.show
    WHERE show_id > $1::text COLLATE "C" ORDER BY show_id LIMIT $2::int8`
  return ({ after, limit }: PageRequest<ShowId>): Query<ReadonlyArray<Show>> => ({
    sql,
    params: [after ?? "", BigInt(limit)],
    read: (rows) => rows.map(showOf)
  })
}
