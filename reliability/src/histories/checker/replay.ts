/**
 * Replays the events of the outbox in a model of the house, in the order of their batches, which is
 * the order of the changes of each row. The model says of each event whether it may happen, and at the
 * end it must be what the rows are (I9: one event for each change, in order).
 */
import type { EventFact } from "../facts.ts"
import type { Evidence } from "./evidence.ts"
import type { Judge } from "./judge.ts"
import { ReplayedQueue } from "./replayedQueue.ts"

interface Reservation {
  status: string
  readonly seats: ReadonlyArray<string>
  readonly user: string
  readonly amount: number
  readonly holdExpiresAt: number
}

/** A step of a replay that other checks ask for. */
interface Step {
  readonly batch: number
  readonly event: EventFact["event"]
}

export interface Replay {
  readonly steps: ReadonlyArray<Step>
  readonly queues: ReadonlyMap<string, ReplayedQueue>
}

export const replay = ({ facts }: Evidence, judge: Judge): Replay => {
  const balances = new Map<string, { balance: number; entries: number }>()
  const reservations = new Map<string, Reservation>()
  const owners = new Map<string, string>()
  const queues = new Map<string, ReplayedQueue>()
  const steps = facts.events.map(({ batch, event }) => ({ batch, event }))

  const move = (user: string, amount: number, batch: number) => {
    const wallet = balances.get(user) ?? { balance: 0, entries: 0 }
    wallet.balance += amount
    wallet.entries++
    balances.set(user, wallet)
    judge.expect(
      "I4",
      wallet.balance >= 0,
      () => `batch ${batch} takes the wallet of ${user} to ${wallet.balance}`
    )
  }
  const end = (batch: number, event: Step["event"], from: string, to: string) => {
    const reservation = reservations.get(event.reservationId)
    judge.expect(
      "I9",
      reservation?.status === from,
      () =>
        `batch ${batch}: ${event._tag} of ${event.reservationId}, which is ${reservation?.status}`
    )
    if (reservation === undefined) return undefined
    reservation.status = to
    if (to === "confirmed") return reservation
    for (const seat of reservation.seats) {
      const place = `${event.performanceId} ${seat}`
      if (owners.get(place) === event.reservationId) owners.delete(place)
    }
    return reservation
  }

  const apply: Record<string, (event: Step["event"], batch: number) => void> = {
    SeatsHeld: (event, batch) => {
      for (const { seatId } of event.seats) {
        const place = `${event.performanceId} ${seatId}`
        const owner = reservations.get(owners.get(place) ?? "")
        const isFree =
          owner === undefined || (owner.status === "held" && owner.holdExpiresAt <= event.at)
        judge.expect(
          "I7",
          isFree,
          () =>
            `batch ${batch}: ${place} is held for ${event.reservationId}, and is ${owner?.status} by ${owners.get(place)}`
        )
        owners.set(place, event.reservationId)
      }
      judge.expect(
        "I9",
        !reservations.has(event.reservationId),
        () => `batch ${batch}: ${event.reservationId} is held twice`
      )
      reservations.set(event.reservationId, {
        status: "held",
        seats: event.seats.map((seat: { seatId: string }) => seat.seatId),
        user: event.userId,
        amount: Number(event.amount.amount),
        holdExpiresAt: event.holdExpiresAt
      })
    },
    HoldReleased: (event, batch) => void end(batch, event, "held", "released"),
    HoldLapsed: (event, batch) => void end(batch, event, "held", "expired"),
    ReservationPaid: (event, batch) => {
      const reservation = end(batch, event, "held", "confirmed")
      if (reservation === undefined) return
      judge.expect(
        "I7",
        event.at < reservation.holdExpiresAt,
        () =>
          `batch ${batch}: ${event.reservationId} was paid ${event.at - reservation.holdExpiresAt} ms after it had lapsed`
      )
      for (const seat of reservation.seats) {
        const owner = owners.get(`${event.performanceId} ${seat}`)
        judge.expect(
          "I7",
          owner === event.reservationId,
          () => `batch ${batch}: ${event.reservationId} was paid, and ${seat} belongs to ${owner}`
        )
      }
      move(event.userId, -reservation.amount, batch)
    },
    PaymentRefunded: (event, batch) => {
      const reservation = end(batch, event, "confirmed", "cancelled")
      if (reservation !== undefined) move(event.userId, reservation.amount, batch)
    },
    WalletCharged: (event, batch) => move(event.userId, Number(event.amount.amount), batch),
    QueueCreated: (event, batch) => {
      judge.expect(
        "I9",
        !queues.has(event.queueId),
        () => `batch ${batch}: ${event.queueId} is created twice`
      )
      queues.set(event.queueId, new ReplayedQueue(event, judge))
    }
  }
  for (const [step, { batch, event }] of steps.entries()) {
    const applied = apply[event._tag]
    if (applied !== undefined) applied(event, batch)
    else queues.get(event.queueId)?.apply(event, step, batch)
  }

  for (const row of facts.reservations) {
    const model = reservations.get(row.id)
    judge.expect(
      "I9",
      model?.status === row.status,
      () => `reservation ${row.id} is ${row.status}; its events say ${model?.status}`
    )
  }
  judge.expect(
    "I9",
    reservations.size === facts.reservations.length,
    () =>
      `events tell of ${reservations.size} reservations, and there are ${facts.reservations.length}`
  )
  for (const row of facts.wallets) {
    const { balance, entries } = balances.get(row.user) ?? { balance: 0, entries: 0 }
    judge.expect(
      "I9",
      balance === row.balance && entries === row.version,
      () =>
        `the wallet of ${row.user} is ${JSON.stringify(row)}; its events say ${balance} by ${entries} entries`
    )
  }
  for (const row of facts.seats) {
    const owner = reservations.get(owners.get(`${row.performance} ${row.seat}`) ?? "")
    const status =
      owner === undefined ? "available" : owner.status === "confirmed" ? "sold" : "held"
    judge.expect(
      "I9",
      status === row.status,
      () => `seat ${row.seat} of ${row.performance} is ${row.status}; events say ${status}`
    )
  }
  for (const row of facts.tokens) {
    const state = queues.get(row.queue)?.stateOf(row.id)
    judge.expect(
      "I9",
      state === row.state,
      () => `token ${row.id} is ${row.state}; its events say ${state}`
    )
  }
  for (const row of facts.queues) {
    const mode = queues.get(row.id)?.mode
    judge.expect(
      "I9",
      mode === row.mode,
      () => `queue ${row.id} is ${row.mode}; its events say ${mode}`
    )
  }
  return { steps, queues }
}
