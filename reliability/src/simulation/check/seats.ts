/** I7 and the limits of users: who has which seats, by the events and by the rows. */
import { type Facts, type Finding, groupBy } from "./facts.ts"

interface Reservation {
  readonly userId: string
  readonly performanceId: string
  readonly seatIds: ReadonlyArray<string>
  status: string
}

export const checkSeats = ({ rows, events, world }: Facts): ReadonlyArray<Finding> => {
  const findings: Array<Finding> = []
  const find = (invariant: string, text: string) => findings.push({ invariant, text })
  const reservations = new Map<string, Reservation>()
  const sold = new Map<string, string>()
  const expected = (id: string, statuses: ReadonlyArray<string>, event: string) => {
    const found = reservations.get(id)
    if (found === undefined || !statuses.includes(found.status)) {
      find("I9", `${event} of ${id}, which is ${found?.status ?? "unknown"}`)
    }
    return found
  }
  for (const { event } of events) {
    switch (event._tag) {
      case "SeatsHeld": {
        const { userId, performanceId, reservationId } = event
        const seatIds = event.seats.map(({ seatId }) => seatId as string)
        for (const seatId of seatIds) {
          const owner = sold.get(`${performanceId} ${seatId}`)
          if (owner !== undefined)
            find("I7", `${seatId} was held for ${userId} though ${owner} owns it`)
        }
        reservations.set(reservationId, { userId, performanceId, seatIds, status: "held" })
        break
      }
      case "HoldReleased":
      case "HoldLapsed": {
        const found = expected(event.reservationId, ["held"], event._tag)
        if (found) found.status = event._tag === "HoldLapsed" ? "expired" : "released"
        break
      }
      case "ReservationPaid": {
        const found = expected(event.reservationId, ["held"], event._tag)
        if (found) found.status = "confirmed"
        for (const seatId of event.seatIds) {
          const key = `${event.performanceId} ${seatId}`
          const owner = sold.get(key)
          if (owner !== undefined)
            find("I7", `${key} was sold twice, to ${owner} and ${event.userId}`)
          sold.set(key, event.userId)
        }
        break
      }
      case "PaymentRefunded": {
        const found = expected(event.reservationId, ["confirmed"], event._tag)
        if (found) found.status = "cancelled"
        for (const seatId of found?.seatIds ?? []) sold.delete(`${event.performanceId} ${seatId}`)
        break
      }
    }
  }
  const payments = groupBy(rows.transfers, ({ kind, reservationId }) => `${kind} ${reservationId}`)
  for (const row of rows.reservations) {
    const { reservationId, status, amount } = row
    const known = reservations.get(reservationId)
    if (known?.status !== status) {
      find("I9", `${reservationId} is ${status}, its events say ${known?.status}`)
    }
    const paid = payments.get(`payment ${reservationId}`)
    const isPaid = status === "confirmed" || status === "cancelled"
    if (amount.amount > 0n && isPaid !== (paid?.length === 1)) {
      find("I7", `${reservationId} is ${status} with ${paid?.length ?? 0} payments`)
    }
    if (paid !== undefined && -paid[0]!.amount !== amount.amount) {
      find("I7", `${reservationId} was paid at another price`)
    }
    if (row.confirmedAt !== null && row.confirmedAt >= row.holdExpiresAt) {
      find("I7", `${reservationId} was paid after it had expired`)
    }
    for (const { seatId } of status === "confirmed" ? row.seats : []) {
      const seat = rows.seats.find(
        (one) => one.performanceId === row.performanceId && one.seatId === seatId
      )
      if (seat?.status !== "sold" || seat.reservationId !== reservationId) {
        find(
          "I7",
          `${reservationId} is paid, and ${seatId} is ${seat?.status} for ${seat?.reservationId}`
        )
      }
    }
  }
  for (const seat of rows.seats) {
    if (seat.status !== "sold") continue
    const owner = rows.reservations.find((row) => row.reservationId === seat.reservationId)
    if (owner?.status !== "confirmed") {
      find("I7", `${seat.seatId} is sold to ${seat.reservationId}, which is ${owner?.status}`)
    }
  }
  const owned = groupBy(
    rows.reservations.filter(({ status }) => status === "confirmed"),
    ({ userId, performanceId }) => `${userId} ${performanceId}`
  )
  for (const [who, own] of owned) {
    const count = own.reduce((sum, { seats }) => sum + seats.length, 0)
    const limit = world.plan.setup.seatsPerUser
    if (count > limit) find("I7", `${who}: ${count} seats, and ${limit} is the most`)
  }
  return findings
}
