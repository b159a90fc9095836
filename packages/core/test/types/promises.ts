/** A host without Effect, as far as the type-checker is concerned: see `typeBudget.test.ts`. */
import {
  type BoxOfficeError,
  type Caller,
  isBoxOfficeError,
  makeBoxOffice,
  type Outcome,
  type PolicyOptions,
  type PromisedBoxOffice,
  type Reservation,
  type Store
} from "@boxoffice/core"

const policies: Partial<PolicyOptions> = {
  holdSeconds: ({ seats }) => (seats.length > 4 ? 600 : 300),
  price: ({ seats }) => seats.map(({ price }) => price.amount),
  refund: ({ amount }) => ({ amount: amount.amount / 2n })
}

export const open = (store: Store): Promise<PromisedBoxOffice> =>
  makeBoxOffice(store, { signingKeys: { k1: "secret" }, policies, sweepEvery: "1 second" })

export const buy = async (office: PromisedBoxOffice, userId: string): Promise<string> => {
  const { token: queueToken, state } = await office.queue.join({ queueId: "main", userId })
  const caller: Caller = { userId, queueToken }
  if (state !== "admitted") {
    for await (const { state } of office.queue.changes(caller)) if (state === "admitted") break
  }
  const { dates } = await office.catalog.availableDates({ ...caller, showId: "gala" })
  const performanceId = dates[0]!.performances[0]!.performanceId
  const { seats } = await office.catalog.availableSeats({ ...caller, performanceId })
  const seatIds = seats.slice(0, 2).map(({ seatId }) => seatId)
  const { reservationId, amount } = await office.reservations.hold({
    ...caller,
    performanceId,
    seatIds
  })
  const { signal } = new AbortController()
  await office.wallet.charge({ ...caller, amount }, { signal })
  const payment = await office.payments.pay({ ...caller, reservationId })
  return payment.paymentId
}

export const hold = async (office: PromisedBoxOffice, caller: Caller): Promise<string> => {
  const held = await office.results.reservations.hold({
    ...caller,
    performanceId: "gala-1",
    seatIds: ["A1"]
  })
  return held.ok ? shown(held) : refusal(held.error)
}

const shown = (held: Outcome<Reservation, never>): string =>
  held.ok ? held.value.seats.map(({ seatId }) => seatId).join() : held.error

/** Exhausts every error that there is. */
export const refusal = (error: BoxOfficeError): string => {
  switch (error.code) {
    case "seat_unavailable":
      return error.conflicts.map(({ seatId, reason }) => `${seatId}: ${reason}`).join()
    case "seat_not_found":
      return error.seatIds.join()
    case "insufficient_balance":
      return String(error.required.amount - error.available.amount)
    case "currency_mismatch":
      return error.expected
    case "limit_exceeded":
      return `${error.name}: ${error.limit}`
    case "hold_expired":
      return error.expiredAt.toISOString()
    case "reservation_not_payable":
      return error.status
    case "queue_token_waiting":
      return String(error.position)
    case "queue_token_expired":
      return error.state
    case "queue_token_wrong_queue":
      return error.requiredQueueId
    case "queue_closed":
      return error.mode
    case "already_exists":
      return error.kind
    case "request_invalid":
      return error.errors.map(({ path }) => path).join()
    case "overloaded":
      return String(error.retryAfterSeconds)
    case "store_unavailable":
      return String(error.retryable)
    case "policy_failed":
      return error.policy
    case "refund_refused":
      return error.reason
    case "host_transaction_refused":
      return error.reason
    case "host_transaction_conflict":
    case "queue_not_found":
    case "queue_already_open":
    case "queue_code_invalid":
    case "queue_token_required":
    case "queue_token_invalid":
    case "show_not_found":
    case "performance_not_found":
    case "reservation_not_found":
    case "payment_not_found":
    case "idempotency_key_reused":
      return error.message
    default:
      return error satisfies never
  }
}

export const report = (error: unknown): string =>
  isBoxOfficeError(error) ? refusal(error) : String(error)
