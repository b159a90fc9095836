/** A browser program: it uses the client and the definition of the API. */
import { problems } from "@boxoffice/http-server/api"
import { connect } from "@boxoffice/http-server/client"

export const statusOf = (tag: keyof typeof problems): number => problems[tag].status

export const buy = async (baseUrl: string): Promise<string> => {
  const tickets = connect({ baseUrl, userId: "ada" })
  await tickets.join("main")
  const { seats } = await tickets.seats("gala-1")
  const seatIds = seats.slice(0, 1).map(({ seatId }) => seatId)
  const { reservationId, amount } = await tickets.hold({ performanceId: "gala-1", seatIds })
  await tickets.charge(amount)
  const payment = await tickets.pay(reservationId)
  await tickets.close()
  return `paid ${payment.amount.amount}, ${payment.balance.amount} left`
}
