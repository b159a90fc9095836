/**
 * Delivers the events of one endpoint, in order for each aggregate.
 *
 *     event ─▶ is something of its aggregate parked? ─yes─▶ park it behind
 *                 │ no                                        ▲
 *                 ▼                                           │
 *               POST ──accepted──▶ done                       │
 *                 └────not───────▶ park it, to be tried again ┘ ─▶ … ─▶ dead letter
 *
 * So an event that is not accepted keeps back those of its own aggregate, and no other. While too
 * many are parked nothing new is taken, and the outbox keeps what comes. Nothing is held in the
 * database while an endpoint is waited for: no connection, no transaction, no lock.
 */
import {
  again,
  type BoxOfficeStore,
  type Delivery,
  type EventFeed,
  encodeWebhook,
  type ParkedDelivery,
  type StoreUnavailable,
  signWebhook
} from "@boxoffice/core"
import { Clock, Deferred, Effect, Latch, Random, Schedule, Semaphore } from "effect"
import type { Endpoint } from "./endpoint.ts"
import { type PostResult, post } from "./post.ts"

type Deliveries = BoxOfficeStore["Service"]["deliveries"]

export interface RunnerOptions {
  readonly feed: EventFeed["Service"]
  readonly deliveries: Deliveries
  readonly endpoint: Endpoint
}

// More than these wait in the outbox, where they cost nothing.
const parkedMax = 1_000
const inFlightMax = 256
const pollEveryMs = 500
const retryDelayMaxMs = 3_600_000

/** Delivers for as long as it is let, on whichever node holds the endpoint's consumer. */
export const runEndpoint = (options: RunnerOptions): Effect.Effect<never> =>
  // Where another node has the endpoint, this one waits for it.
  again(
    `webhooks of ${options.endpoint.name}`,
    "1 second",
    Effect.catchTag(Effect.scoped(runWhileLeased(options)), "LeaseLost", () => Effect.void)
  )

const runWhileLeased = Effect.fnUntraced(function* ({ feed, deliveries, endpoint }: RunnerOptions) {
  const { name, consumer, concurrency } = endpoint
  const session = yield* feed.open(consumer, { types: endpoint.types, from: endpoint.from })
  // Known here as well: whether something is parked has to be known between two events. By event,
  // so that what an operator brings back takes off no more than itself.
  const parked = new Parked(yield* deliveries.waiting(name))

  const park = (delivery: ParkedDelivery, answer: PostResult | undefined) =>
    Effect.flatMap(delayAfter(endpoint, delivery.attempts, answer), (delayMs) => {
      const { eventId, aggregate, attempts } = delivery
      const error = answer?.summary ?? null
      const parkFor = (delayMs: number) =>
        retryStore(deliveries.park(name, { ...delivery, delayMs, error }))
      if (delayMs !== null) {
        // First, so that the next event of the aggregate does not overtake it meanwhile.
        const isNew = parked.add(aggregate, eventId)
        return Effect.map(parkFor(delayMs), (isParked) => {
          // It was given up before, when it came the first time: so it keeps nothing back.
          if (!isParked && isNew) parked.delete(aggregate, eventId)
        })
      }
      // It was the only attempt: a dead letter at once, which keeps nothing back.
      const last = { attempts, delayMs, error: error ?? "" }
      return Effect.andThen(
        parkFor(retryDelayMaxMs),
        retryStore(deliveries.refused(name, eventId, last))
      )
    })

  const deliver = Effect.fnUntraced(function* (delivery: Delivery, aggregate: string) {
    const body = encodeWebhook(delivery)
    const fresh = { eventId: delivery.id, aggregate, body, attempts: 0 }
    if (parked.has(aggregate)) {
      yield* park(fresh, undefined)
    } else {
      const answer = yield* attempt(endpoint, fresh)
      if (!answer.accepted) yield* park({ ...fresh, attempts: 1 }, answer)
    }
    yield* delivery.acknowledge
  })

  const retry = Effect.fnUntraced(function* (delivery: ParkedDelivery) {
    const answer = yield* attempt(endpoint, delivery)
    const attempts = delivery.attempts + 1
    const delayMs = answer.accepted ? null : yield* delayAfter(endpoint, attempts, answer)
    yield* retryStore(
      answer.accepted
        ? deliveries.accepted(name, delivery.eventId)
        : deliveries.refused(name, delivery.eventId, { attempts, delayMs, error: answer.summary })
    )
    // What was accepted keeps nothing back any longer, and neither does a dead letter.
    if (delayMs === null) parked.delete(delivery.aggregate, delivery.eventId)
  })

  // A slow answer keeps one of these, and the others go on.
  const slots = yield* Semaphore.make(concurrency)
  const inFlightPermits = yield* Semaphore.make(inFlightMax)
  const broken = yield* Deferred.make<never, StoreUnavailable>()
  const scope = yield* Effect.scope
  const start = (work: Effect.Effect<void, StoreUnavailable>) =>
    Effect.forkIn(
      // A defect as well: left alone, it would keep its room for as long as the node runs.
      Effect.catchCause(work, (cause) => Deferred.failCause(broken, cause)),
      scope
    )

  const queues = new Map<string, Array<Delivery>>()
  const deliverInTurn = Effect.fnUntraced(function* (aggregate: string, queue: Array<Delivery>) {
    while (queue.length > 0) {
      yield* Semaphore.withPermit(slots, deliver(queue[0]!, aggregate))
      queue.shift()
      yield* Semaphore.release(inFlightPermits, 1)
    }
    queues.delete(aggregate)
  })
  const deliverAll = Effect.gen(function* () {
    for (;;) {
      for (const delivery of yield* session.pull) {
        while (parked.size >= parkedMax) yield* Effect.sleep(pollEveryMs)
        yield* Semaphore.take(inFlightPermits, 1)
        const aggregate = aggregateOf(delivery)
        const queue = queues.get(aggregate)
        if (queue !== undefined) {
          queue.push(delivery)
        } else {
          const own = [delivery]
          queues.set(aggregate, own)
          yield* start(deliverInTurn(aggregate, own))
        }
      }
    }
  })

  const retrying = new Set<string>()
  // Let go of only before the next look: one that began earlier may still see what is over.
  const finished: Array<string> = []
  const retryDone = yield* Latch.make()
  const retryAll = Effect.gen(function* () {
    for (;;) {
      yield* retryDone.close
      for (const eventId of finished.splice(0)) retrying.delete(eventId)
      const due = yield* retryStore(deliveries.due(name, inFlightMax))
      for (const delivery of due) {
        const { eventId, aggregate } = delivery
        if (retrying.has(eventId)) continue
        retrying.add(eventId)
        // One that an operator has brought back is not known yet.
        parked.add(aggregate, eventId)
        const done = Effect.suspend(() => {
          finished.push(eventId)
          return retryDone.open
        })
        yield* start(Effect.andThen(Semaphore.withPermit(slots, retry(delivery)), done))
      }
      yield* Effect.raceFirst(retryDone.await, Effect.sleep(pollEveryMs))
    }
  })

  return yield* Effect.raceAllFirst([deliverAll, retryAll, Deferred.await(broken), session.lost])
})

/** What is parked, by aggregate and event. */
class Parked {
  private readonly events = new Map<string, Set<string>>()
  size = 0

  constructor(waiting: ReadonlyMap<string, ReadonlyArray<string>>) {
    for (const [aggregate, eventIds] of waiting) {
      for (const eventId of eventIds) this.add(aggregate, eventId)
    }
  }
  has(aggregate: string): boolean {
    return this.events.has(aggregate)
  }
  /** False where it is there already. */
  add(aggregate: string, eventId: string): boolean {
    const events = this.events.get(aggregate) ?? new Set()
    if (events.has(eventId)) return false
    this.events.set(aggregate, events.add(eventId))
    this.size++
    return true
  }
  delete(aggregate: string, eventId: string): void {
    const events = this.events.get(aggregate)
    if (!events?.delete(eventId)) return
    this.size--
    if (events.size === 0) this.events.delete(aggregate)
  }
}

const aggregateOf = ({ aggregate }: Delivery): string => `${aggregate.kind}/${aggregate.id}`

const attempt = (
  endpoint: Endpoint,
  { eventId, body }: ParkedDelivery
): Effect.Effect<PostResult> =>
  Effect.flatMap(Clock.currentTimeMillis, (now) => {
    const timestamp = Math.floor(now / 1_000)
    const { url, secrets, timeoutMs, allowPrivate } = endpoint
    const headers = {
      "content-type": "application/json; charset=utf-8",
      "user-agent": "boxoffice-webhooks",
      "webhook-id": eventId,
      "webhook-timestamp": String(timestamp),
      "webhook-signature": signWebhook({ id: eventId, timestamp, body, secrets })
    }
    return post({ url, headers, body, timeoutMs, allowPrivate })
  })

/**
 * How long to wait after an attempt: twice as long each time, up to an hour, and somewhere in the
 * upper half of that, so that many do not come back together; `null` after the last. One that was
 * not tried yet does not wait.
 */
const delayAfter = (
  { attempts: attemptsMax, retryMs }: Endpoint,
  attempts: number,
  answer: PostResult | undefined
): Effect.Effect<number | null> => {
  if (attempts === 0) return Effect.succeed(0)
  if (attempts >= attemptsMax) return Effect.succeed(null)
  const wait = Math.min(retryMs * 2 ** (attempts - 1), retryDelayMaxMs)
  return Effect.map(Random.next, (random) =>
    Math.round(Math.max(wait * (0.5 + random / 2), answer?.retryAfterMs ?? 0))
  )
}

/** The store may be away for a while: what was delivered is still to be written down. */
const retryStore = <A>(effect: Effect.Effect<A, StoreUnavailable>) =>
  Effect.retry(effect, {
    while: (error) => error.retryable,
    schedule: Schedule.spaced("500 millis"),
    times: 20
  })
