/** The services' operations in both styles. Their types are the interfaces beside this file. */
import { Effect, type Stream } from "effect"
import type { BoxOffice } from "../BoxOffice.ts"
import { isQueueKey, type QueueId, type ReservationId } from "../Ids.ts"
import type { CallOptions, Outcome } from "./outcome.ts"
import type { BoxOfficeResults, PromisedOperations } from "./styles.ts"

type Services = BoxOffice["Service"]

/** Runs operations as promises, with errors as values. */
export interface PromiseRunner {
  readonly outcome: <A, E>(
    operation: Effect.Effect<A, E>,
    options: CallOptions | undefined
  ) => Promise<Outcome<A, E>>
  readonly outcomes: <A, E>(
    operation: Stream.Stream<A, E>,
    options: CallOptions | undefined
  ) => AsyncIterable<Outcome<A, E>>
}

/** The operations with their errors as values. */
export const resultsOf = (
  services: Services,
  { outcome, outcomes }: PromiseRunner
): BoxOfficeResults => {
  const { queue, catalog, reservations, wallet, payments } = services
  return {
    queue: {
      join: (input, options) => outcome(queue.join(input), options),
      status: (input, options) => outcome(queue.status(input), options),
      changes: (input, options) => outcomes(queue.changes(input), options),
      leave: (input, options) => outcome(queue.leave(input), options),
      create: (input, options) => outcome(queue.create(input), options),
      get: (queueId, options) => outcome(queue.get(queueId), options),
      notice: (queueId, options) => outcome(queue.notice(queueId), options),
      list: (page, options) => outcome(queue.list(page), options),
      configure: (queueId, settings, options) =>
        outcome(queue.configure(queueId, settings, options), options),
      setMode: (queueId, mode, options) => outcome(queue.setMode(queueId, mode, options), options),
      reschedule: (queueId, opensAt, options) =>
        outcome(queue.reschedule(queueId, opensAt, options), options),
      addCodes: (input, options) => outcome(queue.addCodes(input), options),
      advance: (queueId, options) =>
        outcome(isQueueKey(queueId) ? queue.advance(queueId as QueueId) : Effect.void, options)
    },
    catalog: {
      shows: (page, options) => outcome(catalog.shows(page), options),
      show: (showId, options) => outcome(catalog.show(showId), options),
      availableDates: (input, options) => outcome(catalog.availableDates(input), options),
      availableSeats: (input, options) => outcome(catalog.availableSeats(input), options),
      performances: (showId, options) => outcome(catalog.performances(showId), options),
      addShow: (show, options) => outcome(catalog.addShow(show), options),
      addPerformance: (performance, options) =>
        outcome(catalog.addPerformance(performance), options),
      addSeats: (input, options) => outcome(catalog.addSeats(input), options)
    },
    reservations: {
      hold: (input, options) => outcome(reservations.hold(input), options),
      release: (input, options) => outcome(reservations.release(input), options),
      get: (input, options) => outcome(reservations.get(input), options),
      list: (input, options) => outcome(reservations.list(input), options),
      expire: (reservationIds, options) =>
        outcome(reservations.expire(reservationIds as ReadonlyArray<ReservationId>), options)
    },
    wallet: {
      charge: (input, options) => outcome(wallet.charge(input), options),
      balance: (caller, options) => outcome(wallet.balance(caller), options),
      entries: (input, options) => outcome(wallet.entries(input), options)
    },
    payments: {
      pay: (input, options) => outcome(payments.pay(input), options),
      refund: (input, options) => outcome(payments.refund(input), options)
    }
  }
}

/** The same operations, which reject with their errors. */
export const throwing = (results: BoxOfficeResults): PromisedOperations => {
  const { queue, catalog, reservations, wallet, payments } = results
  return {
    queue: {
      join: (...args) => valueOf(queue.join(...args)),
      status: (...args) => valueOf(queue.status(...args)),
      changes: (...args) => valuesOf(queue.changes(...args)),
      leave: (...args) => valueOf(queue.leave(...args)),
      create: (...args) => valueOf(queue.create(...args)),
      get: (...args) => valueOf(queue.get(...args)),
      notice: (...args) => valueOf(queue.notice(...args)),
      list: (...args) => valueOf(queue.list(...args)),
      configure: (...args) => valueOf(queue.configure(...args)),
      setMode: (...args) => valueOf(queue.setMode(...args)),
      reschedule: (...args) => valueOf(queue.reschedule(...args)),
      addCodes: (...args) => valueOf(queue.addCodes(...args)),
      advance: (...args) => valueOf(queue.advance(...args))
    },
    catalog: {
      shows: (...args) => valueOf(catalog.shows(...args)),
      show: (...args) => valueOf(catalog.show(...args)),
      availableDates: (...args) => valueOf(catalog.availableDates(...args)),
      availableSeats: (...args) => valueOf(catalog.availableSeats(...args)),
      performances: (...args) => valueOf(catalog.performances(...args)),
      addShow: (...args) => valueOf(catalog.addShow(...args)),
      addPerformance: (...args) => valueOf(catalog.addPerformance(...args)),
      addSeats: (...args) => valueOf(catalog.addSeats(...args))
    },
    reservations: {
      hold: (...args) => valueOf(reservations.hold(...args)),
      release: (...args) => valueOf(reservations.release(...args)),
      get: (...args) => valueOf(reservations.get(...args)),
      list: (...args) => valueOf(reservations.list(...args)),
      expire: (...args) => valueOf(reservations.expire(...args))
    },
    wallet: {
      charge: (...args) => valueOf(wallet.charge(...args)),
      balance: (...args) => valueOf(wallet.balance(...args)),
      entries: (...args) => valueOf(wallet.entries(...args))
    },
    payments: {
      pay: (...args) => valueOf(payments.pay(...args)),
      refund: (...args) => valueOf(payments.refund(...args))
    }
  }
}

export const valueOf = <A>(promise: Promise<Outcome<A, unknown>>): Promise<A> =>
  promise.then((outcome) => {
    if (outcome.ok) return outcome.value
    throw outcome.error
  })

async function* valuesOf<A>(outcomes: AsyncIterable<Outcome<A, unknown>>): AsyncGenerator<A> {
  for await (const outcome of outcomes) {
    if (!outcome.ok) throw outcome.error
    yield outcome.value
  }
}
