/** Demo data: one show with one performance of two seats, behind one queue. */
import { BoxOffice } from "@boxoffice/core"
import { Effect } from "effect"

export const [queueId, showId, performanceId] = ["main", "gala", "gala-1"] as const

export const addGala = Effect.gen(function* () {
  const { queue, catalog } = yield* BoxOffice
  yield* queue.create({ queueId })
  yield* catalog.addShow({ showId, title: "Gala", queueId })
  const startsAt = new Date("2099-12-31T10:30:00Z")
  yield* catalog.addPerformance({ performanceId, showId, startsAt, timeZone: "Asia/Seoul" })
  const seats = ["A1", "A2"].map((seatId) => ({
    seatId,
    section: "Stalls",
    row: seatId.charAt(0),
    number: seatId.charAt(1),
    price: { amount: 110_000n, currency: "KRW" }
  }))
  yield* catalog.addSeats({ performanceId, seats })
})
