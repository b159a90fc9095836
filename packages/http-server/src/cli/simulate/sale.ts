/** The queue, the show and the seats of the simulation. */
import type { BoxOffice } from "@boxoffice/core"
import { Effect } from "effect"

export interface Sale {
  readonly queueId: string
  readonly performanceId: string
}

export interface SaleOptions {
  readonly seats: number
  readonly maxActive: number
  readonly admitPerMinute: number
}

const seatsPerRow = 50
const rowsPerSection = 20

export const openSale = (
  office: BoxOffice["Service"],
  { seats, maxActive, admitPerMinute }: SaleOptions
) =>
  Effect.gen(function* () {
    const sale: Sale = { queueId: "on-sale", performanceId: "the-night" }
    yield* office.queue.create({
      queueId: sale.queueId,
      settings: { maxActive, admitPerMinute, claimSeconds: 20, sessionSeconds: 30 }
    })
    yield* office.catalog.addShow({
      showId: "the-show",
      title: "The show",
      queueId: sale.queueId
    })
    yield* office.catalog.addPerformance({
      performanceId: sale.performanceId,
      showId: "the-show",
      startsAt: new Date("2999-12-31T20:00:00+09:00"),
      timeZone: "Asia/Seoul"
    })
    yield* office.catalog.addSeats({
      performanceId: sale.performanceId,
      seats: Array.from({ length: seats }, (_, i) => {
        const row = Math.floor(i / seatsPerRow)
        const section = Math.floor(row / rowsPerSection)
        return {
          seatId: `${section + 1}-${(row % rowsPerSection) + 1}-${(i % seatsPerRow) + 1}`,
          section: String(section + 1),
          row: String((row % rowsPerSection) + 1),
          number: String((i % seatsPerRow) + 1),
          price: { amount: BigInt(Math.max(44_000, 154_000 - 11_000 * section)), currency: "KRW" }
        }
      })
    })
    return sale
  })
