/** The columns of a performance: with its show for users, and as stored. */
import type { PerformanceRow, StoredPerformance } from "@boxoffice/core/store"
import { date, instant, millis, type Row } from "../Query.ts"

/** Performance `p` of show `w`. */
export const performanceColumns =
  "p.performance_id, p.show_id, w.queue_id, p.starts_at, w.sales_open_at, w.sales_close_at"

/** Reads {@link performanceColumns}. */
export const performanceOf = (row: Row): PerformanceRow => ({
  performanceId: row[0],
  showId: row[1],
  queueId: row[2],
  startsAt: instant(row[3]),
  salesOpenAt: millis(row[4]),
  salesCloseAt: millis(row[5])
})

export const storedPerformanceColumns = "performance_id, show_id, starts_at, time_zone, currency"

/** Reads {@link storedPerformanceColumns}. */
export const storedPerformanceOf = (row: Row): StoredPerformance => ({
  performanceId: row[0],
  showId: row[1],
  startsAt: date(row[2]),
  timeZone: row[3],
  currency: row[4]
})
