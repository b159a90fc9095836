/** The seven APIs in an Express app, below /tickets. */
import { toNodeHandler } from "@boxoffice/http-server"
import { openBoxOffice } from "@boxoffice/sql-store"
import express from "express"

const signingKeys = { k1: "a secret of at least thirty-two bytes" }
const office = await openBoxOffice({ database: "pglite", signingKeys })

const [queueId, showId, performanceId] = ["main", "gala", "gala-1"]
const startsAt = new Date("2099-12-31T10:30:00Z")
const stalls = { section: "Stalls", row: "A", price: { amount: 110_000n, currency: "KRW" } }
const seats = ["1", "2", "3"].map((number) => ({ seatId: `A${number}`, number, ...stalls }))
await office.queue.create({ queueId })
await office.catalog.addShow({ showId, title: "Gala", queueId })
await office.catalog.addPerformance({ performanceId, showId, startsAt, timeZone: "Asia/Seoul" })
await office.catalog.addSeats({ performanceId, seats })

const options = { identity: { mode: "header" }, charges: "user", prefix: "/tickets" } as const
const tickets = toNodeHandler(options, office.services)
const app = express().use(tickets.handler)
const port = Number(process.env.PORT ?? 3000)
const server = app.listen(port, () => console.log(`http://127.0.0.1:${port}/tickets`))

process.once("SIGTERM", async () => {
  server.close(() => office.close())
  await tickets.dispose()
  server.closeAllConnections()
})
