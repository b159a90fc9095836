/** Demo data: one show with one performance of six seats, behind one queue. */
import type { PromisedBoxOffice } from "@boxoffice/core"

export const addGala = async ({ queue, catalog }: Pick<PromisedBoxOffice, "queue" | "catalog">) => {
  const [queueId, showId, performanceId] = ["main", "gala", "gala-1"]
  await queue.create({ queueId, settings: { maxActive: 100 } })
  await catalog.addShow({ showId, title: "Gala", queueId })
  const startsAt = new Date("2099-12-31T10:30:00Z")
  await catalog.addPerformance({ performanceId, showId, startsAt, timeZone: "Asia/Seoul" })
  const seats = ["A1", "A2", "A3", "B1", "B2", "B3"].map((seatId) => ({
    seatId,
    section: "Stalls",
    row: seatId.charAt(0),
    number: seatId.charAt(1),
    price: { amount: seatId.startsWith("A") ? 110_000n : 66_000n, currency: "KRW" }
  }))
  await catalog.addSeats({ performanceId, seats })
  return { queueId, showId, performanceId }
}
