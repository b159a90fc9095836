/** How the events of reservations change the rows: the reservation, its seats, and the count of a user's. */
import type { ReservationEvent } from "../Events.ts"
import type { Rows } from "../engine/Rows.ts"
import type { PerformanceId, SeatId, UserId } from "../Ids.ts"

export const evolveReservation = (rows: Rows, event: ReservationEvent): void => {
  switch (event._tag) {
    case "SeatsHeld":
      rows.reservations.add(event.reservationId, {
        reservationId: event.reservationId,
        performanceId: event.performanceId,
        userId: event.userId,
        seats: event.seats,
        amount: event.amount,
        status: "held",
        heldAt: event.at,
        holdExpiresAt: event.holdExpiresAt,
        confirmedAt: null,
        endedAt: null,
        paymentId: null
      })
      for (const { seatId } of event.seats) {
        rows.changeSeat(event.performanceId, seatId, {
          status: "held",
          reservationId: event.reservationId,
          heldUntil: event.holdExpiresAt
        })
      }
      return rows.countSeats(event.performanceId, event.userId, event.seats.length)
    case "HoldReleased":
      rows.changeReservation(event.reservationId, { status: "released", endedAt: event.at })
      return freeSeats(rows, event)
    case "HoldLapsed":
      rows.changeReservation(event.reservationId, {
        status: "expired",
        endedAt: event.holdExpiresAt
      })
      return freeSeats(rows, event)
    case "ReservationPaid":
      rows.changeReservation(event.reservationId, {
        status: "confirmed",
        confirmedAt: event.at,
        paymentId: event.paymentId
      })
      for (const seatId of event.seatIds) {
        rows.changeSeat(event.performanceId, seatId, { status: "sold", heldUntil: null })
      }
      return
    case "PaymentRefunded":
      rows.changeReservation(event.reservationId, { status: "cancelled", endedAt: event.at })
      return freeSeats(rows, event)
  }
}

const freeSeats = (
  rows: Rows,
  event: {
    readonly performanceId: PerformanceId
    readonly userId: UserId
    readonly seatIds: ReadonlyArray<SeatId>
  }
): void => {
  for (const seatId of event.seatIds) {
    rows.changeSeat(event.performanceId, seatId, {
      status: "available",
      reservationId: null,
      heldUntil: null
    })
  }
  rows.countSeats(event.performanceId, event.userId, -event.seatIds.length)
}
