/** Buys seats with promises, from joining the queue to the payment, on an embedded Postgres. */
import { openBoxOffice } from "@boxoffice/sql-store"
import { addGala } from "./gala.ts"

// In production, give the URL of your Postgres or your own pool.
const database = "pglite"
const signingKeys = { k1: "a secret of at least thirty-two bytes" }
const userId = "ada"

const office = await openBoxOffice({ database, signingKeys })
const { queueId, showId, performanceId } = await addGala(office)

const { token: queueToken } = await office.queue.join({ queueId, userId })
console.log("in:    ", (await office.queue.status({ userId, queueToken })).state)

const { dates } = await office.catalog.availableDates({ userId, queueToken, showId })
console.log("dates: ", dates.map(({ date }) => date).join(", "))

const { seats } = await office.catalog.availableSeats({ userId, queueToken, performanceId })
console.log("seats: ", seats.map(({ seatId }) => seatId).join(", "))

const seatIds = seats.slice(0, 2).map(({ seatId }) => seatId)
const hold = await office.reservations.hold({ userId, queueToken, performanceId, seatIds })
console.log("held:  ", seatIds.join(", "), "for", hold.holdExpiresInSeconds, "s")

await office.wallet.charge({ userId, queueToken, amount: hold.amount })
const { balance } = await office.wallet.balance({ userId, queueToken })
console.log("wallet:", String(balance.amount), balance.currency)

const { reservationId } = hold
const payment = await office.payments.pay({ userId, queueToken, reservationId })
console.log("paid:  ", `${payment.amount.amount}, ${payment.balance.amount} left`)

await office.close()
