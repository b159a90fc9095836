import type { ReservationRow } from "@boxoffice/core/store"
import type { StoredSeat } from "../../columns/reservation.ts"
import { bigints, instants, type Query, texts, uuids } from "../../Query.ts"
import type { SchemaName } from "../../schemaName.ts"

/**
 * Inserts new reservations, by reservation_id, as held. If the same batch changed one further,
 * {@link updateReservations} writes that like any other change.
 */
export const insertReservations = (schema: SchemaName) => {
  const sql = `
    INSERT INTO ${schema}.reservation (reservation_id, performance_id, user_id, seats, amount,
      currency, status, held_at, hold_expires_at)
    SELECT id, performance_id, user_id, seats::jsonb, amount, currency, 'held', held_at,
      hold_expires_at
    FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::int8[], $6::text[],
      $7::timestamptz[], $8::timestamptz[])
      AS saved (id, performance_id, user_id, seats, amount, currency, held_at, hold_expires_at)
    ORDER BY id`
  return (rows: ReadonlyArray<ReservationRow>): Query<void> => ({
    sql,
    params: [
      uuids(rows.map((row) => row.reservationId)),
      texts(rows.map((row) => row.performanceId)),
      texts(rows.map((row) => row.userId)),
      texts(rows.map(seatsOf)),
      bigints(rows.map((row) => row.amount.amount)),
      texts(rows.map((row) => row.amount.currency)),
      instants(rows.map((row) => row.heldAt)),
      instants(rows.map((row) => row.holdExpiresAt))
    ],
    read: () => {}
  })
}

const seatsOf = (row: ReservationRow): string =>
  JSON.stringify(
    row.seats.map(
      ({ seatId, section, row, number, price }): StoredSeat => ({
        seatId,
        section,
        row,
        number,
        amount: price.amount.toString(),
        currency: price.currency
      })
    )
  )

/** Writes the columns of a reservation that can change. The rows are locked. */
export const updateReservations = (schema: SchemaName) => {
  const sql = `
    UPDATE ${schema}.reservation r
    SET status = saved.status, confirmed_at = saved.confirmed_at, ended_at = saved.ended_at,
      payment_id = saved.payment_id
    FROM unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::timestamptz[], $5::uuid[])
      AS saved (reservation_id, status, confirmed_at, ended_at, payment_id)
    WHERE r.reservation_id = saved.reservation_id`
  return (rows: ReadonlyArray<ReservationRow>): Query<void> => ({
    sql,
    params: [
      uuids(rows.map((row) => row.reservationId)),
      texts(rows.map((row) => row.status)),
      instants(rows.map((row) => row.confirmedAt)),
      instants(rows.map((row) => row.endedAt)),
      uuids(rows.map((row) => row.paymentId))
    ],
    read: () => {}
  })
}
