/** The engine of this app, created on the first request. */
import { toWebHandler } from "@boxoffice/http-server"
import { openBoxOffice } from "@boxoffice/sql-store"

const open = async () => {
  const signingKeys = { k1: "a secret of at least thirty-two bytes" }
  const office = await openBoxOffice({ database: "pglite", signingKeys })

  const [queueId, showId, performanceId] = ["main", "gala", "gala-1"]
  const startsAt = new Date("2099-12-31T10:30:00Z")
  const stalls = {
    section: "Stalls",
    row: "A",
    price: { amount: BigInt(110_000), currency: "KRW" }
  }
  const seats = ["1", "2", "3"].map((number) => ({ seatId: `A${number}`, number, ...stalls }))
  await office.queue.create({ queueId })
  await office.catalog.addShow({ showId, title: "Gala", queueId })
  await office.catalog.addPerformance({ performanceId, showId, startsAt, timeZone: "Asia/Seoul" })
  await office.catalog.addSeats({ performanceId, seats })

  const options = { identity: { mode: "header" }, charges: "user", prefix: "/tickets" } as const
  return toWebHandler(options, office.services)
}

// Next.js loads a module more than once, so the engine is stored globally and shared.
const kept = globalThis as { tickets?: ReturnType<typeof open> }

export const answer = async (request: Request): Promise<Response> => {
  kept.tickets ??= open()
  return (await kept.tickets).handler(request)
}
