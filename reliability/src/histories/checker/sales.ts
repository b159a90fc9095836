/** I7: money and seats agree: a reservation is confirmed exactly when it is paid, a seat has one owner. */
import type { Evidence } from "./evidence.ts"
import type { Judge } from "./judge.ts"

export const checkSales = ({ facts }: Evidence, judge: Judge): void => {
  const owners = new Map<string, Array<string>>()
  const refunds = new Set(
    facts.transfers.filter(({ kind }) => kind === "refund").map(({ reservation }) => reservation)
  )
  const payments = new Map(
    facts.transfers.filter(({ kind }) => kind === "payment").map((row) => [row.reservation, row])
  )
  for (const row of facts.reservations) {
    const payment = payments.get(row.id)
    const due = { confirmed: [true, false], cancelled: [true, true] }[row.status] ?? [false, false]
    const isAsPaid = (payment !== undefined) === due[0] && refunds.has(row.id) === due[1]
    judge.expect(
      "I7",
      isAsPaid,
      () =>
        `reservation ${row.id} is ${row.status}, with payment ${payment?.id} and refund ${refunds.has(row.id)}`
    )
    if (payment !== undefined) {
      const isAtPrice = payment.amount === -row.amount && payment.id === row.payment
      judge.expect(
        "I7",
        isAtPrice,
        () => `reservation ${row.id} costs ${row.amount}, and ${payment.id} paid ${-payment.amount}`
      )
    }
    if (row.status !== "confirmed") continue
    for (const seat of row.seats) {
      const place = `${row.performance} ${seat}`
      owners.set(place, [...(owners.get(place) ?? []), row.id])
    }
  }
  for (const seat of facts.seats) {
    const place = `${seat.performance} ${seat.seat}`
    const confirmed = owners.get(place) ?? []
    judge.expect(
      "I7",
      confirmed.length <= 1,
      () => `${place} was sold ${confirmed.length} times: ${confirmed}`
    )
    const isSoldToIt =
      seat.status === "sold" ? confirmed[0] === seat.reservation : confirmed.length === 0
    judge.expect(
      "I7",
      isSoldToIt,
      () => `${place} is ${seat.status} to ${seat.reservation}; confirmed for it: ${confirmed}`
    )
  }
}
