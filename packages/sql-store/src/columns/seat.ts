/** The columns of a seat. */
import { money } from "@boxoffice/core"
import type { SeatRow } from "@boxoffice/core/store"
import { bigint, millis, type Row } from "../Query.ts"

export const seatColumns = `s.performance_id, s.seat_id, s.section, s.seat_row, s.seat_number,
      s.price, s.currency, s.status, s.reservation_id, s.held_until`

/** Reads {@link seatColumns}. */
export const seatOf = (row: Row): SeatRow => ({
  performanceId: row[0],
  seatId: row[1],
  section: row[2],
  row: row[3],
  number: row[4],
  price: money(bigint(row[5]), row[6]),
  status: row[7],
  reservationId: row[8],
  heldUntil: millis(row[9])
})
