/** The house in which a history takes place. */
import { openBoxOffice } from "@boxoffice/sql-store"
import {
  currency,
  hotSeats,
  performances,
  price,
  priorityCode,
  queues,
  signingKey
} from "./settings.ts"

export const seatsToAdd = (seatIds: ReadonlyArray<string>) =>
  seatIds.map((seatId) => ({
    seatId,
    section: "Floor",
    row: "1",
    number: seatId,
    price: { amount: price, currency }
  }))

/** Migrates the schema, and puts the seats on sale: hot ones, and one for each client at the end. */
export const setUp = async (url: string, clients: ReadonlyArray<string>): Promise<void> => {
  const office = await openBoxOffice({
    database: url,
    migrate: true,
    maxConnections: 2,
    signingKeys: { k1: signingKey }
  })
  for (const [queueId, settings] of Object.entries(queues)) {
    await office.queue.create({ queueId, settings })
  }
  await office.queue.addCodes({ queueId: "main", codes: [priorityCode], uses: 1_000_000 })
  const window = { salesOpenAt: null, salesCloseAt: null }
  await office.catalog.addShow({ showId: "gala", title: "Gala", queueId: "main", ...window })
  const startsAt = new Date("2999-12-31T19:00:00Z")
  for (const performanceId of Object.values(performances)) {
    const performance = { performanceId, showId: "gala", startsAt, timeZone: "Asia/Seoul" }
    await office.catalog.addPerformance(performance)
  }
  const add = (performanceId: string, seatIds: ReadonlyArray<string>) => {
    const seats = seatsToAdd(seatIds).map((seat) => ({
      ...seat,
      price: { amount: BigInt(price), currency }
    }))
    return office.catalog.addSeats({ performanceId, seats })
  }
  await add(
    performances.hot,
    Array.from({ length: hotSeats }, (_, n) => `H${n}`)
  )
  await add(performances.proof, clients)
  await office.close()
}
