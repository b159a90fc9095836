/** The columns of a show. */
import type { Show } from "@boxoffice/core"
import { date, type Row } from "../Query.ts"

export const showColumns = "show_id, title, queue_id, sales_open_at, sales_close_at"

/** Reads {@link showColumns}. */
export const showOf = ([showId, title, queueId, salesOpenAt, salesCloseAt]: Row): Show => ({
  showId,
  title,
  queueId,
  salesOpenAt: salesOpenAt && date(salesOpenAt),
  salesCloseAt: salesCloseAt && date(salesCloseAt)
})
