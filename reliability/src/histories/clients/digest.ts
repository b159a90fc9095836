/** What of an answer a history keeps: the same of a server's answers and of an embedded engine's. */
import type { Operation } from "../history.ts"

// biome-ignore lint/suspicious/noExplicitAny: the body of an answer, as JSON
type Body = any

export const digest = (operation: Operation, body: Body): Body => digests[operation](body)

const nothing = () => ({})
const place = (body: Body) => ({
  state: body.state,
  position: body.position,
  ...(body.asOf !== undefined && { asOf: Date.parse(body.asOf) }),
  ...(body.token !== undefined && { token: body.token, tokenId: tokenIdOf(body.token) })
})
/** What anyone may know of a draw. */
const opening = ({ opening }: Body) => ({
  commitment: opening.commitment,
  seed: opening.seed,
  drawn: opening.drawn
})
const reservation = (body: Body) => ({
  reservationId: body.reservationId,
  status: body.status,
  amount: body.amount.amount,
  seats: body.seats.map((seat: Body) => seat.seatId)
})

const digests: Record<Operation, (body: Body) => Body> = {
  join: place,
  poll: place,
  watch: place,
  leave: nothing,
  seats: (body) => ({
    version: body.version,
    asOf: Date.parse(body.asOf),
    taken: Object.fromEntries(
      body.seats
        .filter((seat: Body) => seat.status !== "available")
        .map((seat: Body) => [seat.seatId, seat.status])
    ),
    free: body.seats
      .filter((seat: Body) => seat.status === "available")
      .map((seat: Body) => seat.seatId)
  }),
  hold: reservation,
  reservation,
  release: nothing,
  charge: (body) => ({ transferId: body.transferId, balance: body.balance.amount }),
  balance: (body) => ({ balance: body.balance.amount }),
  pay: (body) => ({
    transferId: body.paymentId,
    reservationId: body.reservationId,
    amount: body.amount.amount,
    balance: body.balance.amount
  }),
  refund: (body) => ({
    transferId: body.refundId,
    reservationId: body.reservationId,
    amount: body.amount.amount,
    balance: body.balance.amount
  }),
  setMode: (body) => ({ mode: body.mode }),
  queue: (body) => ({ mode: body.mode, waiting: body.waiting, active: body.active }),
  createQueue: opening,
  notice: opening,
  addSeats: (body) => ({ added: body.added })
}

/** A queue token says in the clear which row it is of. */
export const tokenIdOf = (token: string): string => {
  const payload = token.split(".")[2] ?? ""
  return JSON.parse(Buffer.from(payload, "base64url").toString())[2]
}
