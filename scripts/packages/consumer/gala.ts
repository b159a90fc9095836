/** Demo data, by the packages as a user installs them. */
import { makeBoxOffice, type PromisedBoxOffice } from "@boxoffice/core"
import { layerPgliteStore } from "@boxoffice/sql-store/pglite"

export const [queueId, showId, performanceId] = ["main", "gala", "gala-1"] as const

export const openGala = async (): Promise<PromisedBoxOffice> => {
  const signingKeys = { k1: "a secret of at least thirty-two bytes" }
  const office = await makeBoxOffice(layerPgliteStore(), { signingKeys })
  const always = { salesOpenAt: null, salesCloseAt: null }
  const startsAt = new Date("2099-12-31T10:30:00Z")
  const stalls = { section: "Stalls", row: "A", price: { amount: 110_000n, currency: "KRW" } }
  const seats = ["1", "2"].map((number) => ({ seatId: `A${number}`, number, ...stalls }))
  await office.queue.create({ queueId })
  await office.catalog.addShow({ showId, title: "Gala", queueId, ...always })
  await office.catalog.addPerformance({ performanceId, showId, startsAt, timeZone: "Asia/Seoul" })
  await office.catalog.addSeats({ performanceId, seats })
  return office
}
