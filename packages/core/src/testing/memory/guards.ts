/** The triggers that guard seats, reservations and the ledger: see `migrations/` of the SQL store. */

import { seatKey } from "../../engine/Rows.ts"
import type { PerformanceId, SeatId } from "../../Ids.ts"
import type { ReservationRow } from "../../reservation/model.ts"
import { refused } from "../database/DatabaseError.ts"
import type { Statement } from "../database/Statement.ts"
import type { Change, Table, Trigger } from "../database/Table.ts"
import type { Steps } from "../database/Transaction.ts"
import type { StoredSeat } from "./rows.ts"

const restrictViolation = "23001"
const foreignKeyViolation = "23503"

/** A trigger that refuses the row, under a name, unless `holds`. */
const guard = <Row>(
  constraint: string,
  when: (change: Change<Row>) => boolean,
  holds: (statement: Statement, change: Change<Row>) => boolean
): Trigger<Row> => ({
  when,
  *run(statement, change) {
    if (!holds(statement, change)) throw refused(constraint, restrictViolation)
  }
})

export const appendOnly = <Row>(constraint: string) => ({
  before: [
    guard<Row>(
      constraint,
      ({ old }) => old !== undefined,
      () => false
    )
  ]
})

type Reservations = Table<ReservationRow, "reservation_pkey">
export type Seats = Table<StoredSeat, "seat_pkey">

export const seatTriggers = (reservations: Reservations) => {
  const statusOf = (statement: Statement, reservationId: string | null | undefined) =>
    reservationId == null
      ? undefined
      : statement.get(reservations, "reservation_pkey", reservationId)?.row.status
  return {
    before: [
      guard<StoredSeat>(
        "seat_of_confirmed_stays",
        ({ old, row }) =>
          old?.status === "held" && row !== undefined && row.reservationId !== old.reservationId,
        (statement, { old }) => statusOf(statement, old!.reservationId) !== "confirmed"
      ),
      guard<StoredSeat>(
        "seat_sold_owner_is_final",
        ({ old, row }) =>
          old?.status === "sold" &&
          (row?.status !== "sold" || row.reservationId !== old.reservationId),
        (statement, { old, row }) =>
          row?.status === "available" && statusOf(statement, old!.reservationId) === "cancelled"
      ),
      guard<StoredSeat>(
        "seat_sold_to_confirmed",
        ({ old, row }) => row?.status === "sold" && old?.status !== "sold",
        (statement, { row }) => statusOf(statement, row!.reservationId) === "confirmed"
      )
    ],
    after: [
      {
        when: ({ old, row }: Change<StoredSeat>) =>
          row !== undefined &&
          row.reservationId !== null &&
          row.reservationId !== (old?.reservationId ?? null),
        // Locks the reservation: no other transaction may end it meanwhile.
        *run(statement: Statement, { row }: Change<StoredSeat>): Steps<void> {
          const { performanceId, reservationId } = row!
          const found = statement.get(reservations, "reservation_pkey", reservationId!)
          const owner = found && (yield* statement.lock(found, "SHARE"))?.row
          if (owner?.performanceId !== performanceId || !isLive(owner)) {
            throw refused("seat_with_reservation", foreignKeyViolation)
          }
        }
      }
    ]
  }
}

const isLive = ({ status }: ReservationRow): boolean => status === "held" || status === "confirmed"

export const reservationTriggers = (seats: () => Seats) => {
  const has = (statement: Statement, row: ReservationRow, seatId: SeatId): boolean => {
    const key = seatKey(row.performanceId as PerformanceId, seatId)
    return statement.get(seats(), "seat_pkey", key)?.row.reservationId === row.reservationId
  }
  return {
    before: [
      guard<ReservationRow>(
        "reservation_confirmed_has_seats",
        ({ old, row }) => row?.status === "confirmed" && old?.status !== "confirmed",
        (statement, { row }) => row!.seats.every(({ seatId }) => has(statement, row!, seatId))
      ),
      guard<ReservationRow>(
        "reservation_is_kept",
        ({ row }) => row === undefined,
        (statement, { old }) =>
          !isLive(old!) &&
          old!.status !== "cancelled" &&
          !old!.seats.some(({ seatId }) => has(statement, old!, seatId))
      )
    ],
    after: [
      guard<ReservationRow>(
        "reservation_facts_are_final",
        ({ old, row }) => old !== undefined && row !== undefined && factsOf(row) !== factsOf(old),
        () => false
      )
    ]
  }
}

const factsOf = ({ reservationId, performanceId, userId, amount, seats }: ReservationRow): string =>
  [
    reservationId,
    performanceId,
    userId,
    amount.amount,
    amount.currency,
    ...seats.flatMap(({ seatId, section, row, number, price }) => [
      seatId,
      section,
      row,
      number,
      price.amount,
      price.currency
    ])
  ].join("\n")
