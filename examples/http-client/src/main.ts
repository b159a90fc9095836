/**
 * Buys seats from a running server with the typed client. Start one first: npx --yes pnpm@12 demo
 */
import { connect } from "@boxoffice/http-server/client"

const baseUrl = process.env.BASE_URL ?? "http://127.0.0.1:3000"
const tickets = connect({ baseUrl, userId: "ada" })

// `join` returns the queue token, and the client sends it with each later request.
const { state, pollAfterSeconds } = await tickets.join("main")
if (state !== "admitted") throw new Error(`full: try again in ${pollAfterSeconds} s`)

const { dates } = await tickets.dates("gala")
const next = dates[0]?.performances[0]
if (next === undefined) throw new Error("sold out")
console.log("next:  ", next.performanceId, "with", next.availableSeats, "seats")

const { performanceId } = next
const { seats } = await tickets.seats(performanceId)
const seatIds = seats.slice(0, 2).map(({ seatId }) => seatId)
const { reservationId, amount, ...hold } = await tickets.hold({ performanceId, seatIds })
console.log("held:  ", seatIds.join(", "), "for", hold.holdExpiresInSeconds, "s")

await tickets.charge(amount)
const { balance } = await tickets.balance()
console.log("wallet:", String(balance.amount), balance.currency)

// A second attempt with the same key would return the first payment instead of paying twice.
const payment = await tickets.pay(reservationId, { idempotencyKey: `pay-${reservationId}` })
console.log("paid:  ", `${payment.amount.amount}, ${payment.balance.amount} left`)
await tickets.close()
