/** Reads reservations: one, those of a user, and the one that a payment confirmed. */
import type { ReservationId, TransferId, UserId } from "@boxoffice/core"
import type { PageRequest, ReservationRow, ReservationsReading } from "@boxoffice/core/store"
import { reservationColumns, reservationOf } from "../columns/reservation.ts"
import { instant, type Query, type Row } from "../Query.ts"
import type { SchemaName } from "../schemaName.ts"

// Gives the time even if there is no reservation.
const withClock = (reservations: string) => `
    SELECT date_trunc('milliseconds', clock_timestamp()), ${reservationColumns}
    FROM (VALUES (1)) AS one LEFT JOIN LATERAL (${reservations}) r ON true`

const readingOf = (rows: ReadonlyArray<Row>): ReservationsReading => ({
  now: instant(rows[0]![0]),
  reservations: rows[0]![1] === null ? [] : rows.map((row) => reservationOf(row, 1))
})

export const readReservation = (schema: SchemaName) => {
  const sql = withClock(`
      SELECT * FROM ${schema}.reservation WHERE reservation_id = $1::uuid`)
  return (reservationId: ReservationId): Query<ReservationsReading> => ({
    sql,
    params: [reservationId],
    read: readingOf
  })
}

type Cursor = { readonly heldAt: number; readonly reservationId: ReservationId }

/** The reservations of a user, newest first. */
export const readReservations = (schema: SchemaName) => {
  const newest = (before: string) => `
    ${withClock(`
      SELECT * FROM ${schema}.reservation
      WHERE user_id = $1::text ${before}
      ORDER BY held_at DESC, reservation_id DESC LIMIT $2::int8`)}
    ORDER BY r.held_at DESC, r.reservation_id DESC`
  const first = newest("")
  const next = newest("AND (held_at, reservation_id) < ($3::timestamptz, $4::uuid)")
  return (userId: UserId, { after, limit }: PageRequest<Cursor>): Query<ReservationsReading> => ({
    sql: after === undefined ? first : next,
    params: [
      userId,
      BigInt(limit),
      ...(after === undefined ? [] : [new Date(after.heldAt), after.reservationId])
    ],
    read: readingOf
  })
}

/** The reservation that a payment confirmed. A free reservation has no transfer. */
export const readPaid = (schema: SchemaName) => {
  const sql = `
    SELECT reservation_id, user_id FROM ${schema}.reservation WHERE payment_id = $1::uuid`
  return (
    paymentId: TransferId
  ): Query<Pick<ReservationRow, "reservationId" | "userId"> | undefined> => ({
    sql,
    params: [paymentId],
    read: ([row]) => row && { reservationId: row[0], userId: row[1] }
  })
}
