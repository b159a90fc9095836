/** The load: buyers buy seats, one after the other. And the record of what the answers said. */
import type { Answer, Call, Caller } from "./ask.ts"
import { sleep } from "./processes.ts"
import { price, queueId } from "./sale.ts"

const charged = 25

/** What the answers told the callers, and what must therefore be in the database. */
export class Record {
  /** The balance of each user. */
  readonly balances = new Map<string, number>()
  /** Transfers by their id, and whose they are. */
  readonly transfers = new Map<string, string>()
  /** Reservations by their id. */
  readonly reservations = new Map<string, { userId: string; seat: string; isPaid: boolean }>()
  readonly tokens = new Map<string, string>()
  refused = 0
  replayed = 0
  /** Answers that contradict the request or an earlier answer. */
  readonly faults: Array<string> = []

  charge(userId: string, { body }: Answer): void {
    this.transfers.set(body.transferId, userId)
    this.balances.set(userId, (this.balances.get(userId) ?? 0) + body.amount.amount)
  }
}

/** The charge of a user whose wallet is for the measurement alone. */
export const chargeOf = (userId: string, key: string, queueToken: string): Call => ({
  kind: "charge",
  userId,
  key,
  path: "/v1/wallet/charges",
  body: { amount: charged, currency: "KRW" },
  queueToken
})

export const joinOf = (userId: string): Call => ({
  kind: "join",
  userId,
  key: `join-${userId}`,
  path: `/v1/queues/${queueId}/token`
})

/** The seats that are for sale now. */
export interface OnSale {
  readonly performanceId: string
  readonly seatIds: ReadonlyArray<string>
  next: number
}

export class Load {
  readonly record = new Record()
  onSale: OnSale
  private readonly caller: Caller
  private readonly buyers: ReadonlyArray<Promise<void>>
  private isEnding = false

  constructor(caller: Caller, onSale: OnSale, buyers: number) {
    this.caller = caller
    this.onSale = onSale
    this.buyers = Array.from({ length: buyers }, (_, buyer) => this.buyOn(buyer))
  }

  /** Ends once every buyer knows what has become of the last call. */
  async end(): Promise<void> {
    this.isEnding = true
    await Promise.all(this.buyers)
  }

  private async buyOn(buyer: number): Promise<void> {
    for (let turn = 0; !this.isEnding; turn++) {
      await this.buyOnce(`buyer${buyer}-${turn}`, buyer + turn)
      await sleep(50)
    }
  }

  /** Joins, charges, holds and pays, as a new user, on one node after the other. */
  private async buyOnce(userId: string, first: number): Promise<void> {
    const { record } = this
    const ask = async (call: Call, allowed: ReadonlyArray<number>): Promise<Answer | undefined> => {
      const answer = await this.caller.resolve(call, first)
      if (answer.isReplayed) record.replayed++
      if (allowed.includes(answer.status)) return answer
      record.faults.push(
        `${call.kind} of ${userId}: ${answer.status} ${JSON.stringify(answer.body)}`
      )
      return undefined
    }
    const joined = await ask(joinOf(userId), [200, 201])
    if (joined === undefined) return
    const queueToken: string = joined.body.token
    record.tokens.set(userId, queueToken)
    const credit = await ask(chargeOf(userId, `charge-${userId}`, queueToken), [201])
    if (credit === undefined) return
    record.charge(userId, credit)

    const { performanceId, seatIds } = this.onSale
    // Now and then a seat that was sold a moment ago: it must be refused.
    const at =
      this.onSale.next % 10 === 9 ? Math.max(0, this.onSale.next++ - 20) : this.onSale.next++
    const seatId = seatIds[at % seatIds.length]!
    const held = await ask(
      {
        kind: "hold",
        userId,
        key: `hold-${userId}`,
        path: "/v1/reservations",
        body: { performanceId, seatIds: [seatId] },
        queueToken
      },
      [201, 409]
    )
    if (held === undefined) return
    if (held.status === 409) {
      record.refused++
      return
    }
    const reservation = { userId, seat: `${performanceId}/${seatId}`, isPaid: false }
    const { reservationId } = held.body
    record.reservations.set(reservationId, reservation)
    const paid = await ask(
      {
        kind: "pay",
        userId,
        key: `pay-${userId}`,
        path: "/v1/payments",
        body: { reservationId },
        queueToken
      },
      [201]
    )
    if (paid === undefined) return
    reservation.isPaid = true
    record.transfers.set(paid.body.paymentId, userId)
    record.balances.set(userId, record.balances.get(userId)! - price)
    if (paid.body.balance.amount !== record.balances.get(userId)) {
      record.faults.push(`pay of ${userId}: the balance is ${paid.body.balance.amount}`)
    }
  }
}
