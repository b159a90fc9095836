/** What is on sale, set up as an operator does, by the admin API. */
import { adminToken } from "./nodes.ts"

export const queueId = "main"
export const price = 10

const admin = async (url: string, path: string, body: unknown): Promise<void> => {
  const response = await fetch(`${url}/v1/admin${path}`, {
    method: "POST",
    headers: { authorization: `Bearer ${adminToken}`, "content-type": "application/json" },
    body: JSON.stringify(body)
  })
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
}

/** Adds a queue and a show. Doing it again changes nothing. */
export const openSale = async (url: string): Promise<void> => {
  await admin(url, "/queues", { queueId })
  await admin(url, "/shows", { showId: "gala", title: "Gala", queueId })
}

/** Adds a performance, and returns the ids of its seats. */
export const addPerformance = async (
  url: string,
  performanceId: string,
  count: number
): Promise<ReadonlyArray<string>> => {
  await admin(url, "/shows/gala/performances", {
    performanceId,
    startsAt: "2040-01-01T19:00:00Z",
    timeZone: "Asia/Seoul"
  })
  const seats = Array.from({ length: count }, (_, index) => ({
    seatId: `s${index}`,
    section: "Floor",
    row: String(Math.floor(index / 100)),
    number: String(index % 100),
    price: { amount: price, currency: "KRW" }
  }))
  await admin(url, `/performances/${performanceId}/seats`, { seats })
  return seats.map(({ seatId }) => seatId)
}
