/** The purchase in six lines, in process. */
import { openGala, performanceId, queueId } from "./gala.ts"

const [userId, seatIds] = ["ada", ["A1"]] as const
const office = await openGala()
const { token: queueToken } = await office.queue.join({ queueId, userId })
const hold = await office.reservations.hold({ userId, queueToken, performanceId, seatIds })
await office.wallet.charge({ userId, queueToken, amount: hold.amount })
const { reservationId } = hold
const payment = await office.payments.pay({ userId, queueToken, reservationId })
console.log(`paid ${payment.amount.amount}, ${payment.balance.amount} left`)
await office.close()
