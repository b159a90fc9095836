/**
 * Delivers the events of one endpoint, in order for each aggregate.
 *
 *     event ─▶ is an event of its aggregate parked? ─yes─▶ park it behind
 *                 │ no                                        ▲
 *                 ▼                                           │
 *               POST ──accepted──▶ done                       │
 *                 └────failed────▶ park it for another attempt┘ ─▶ … ─▶ dead letter
 *
 * So a failed event delays the events of its own aggregate, and no others. While too many events
 * are parked, the runner takes no new ones; they stay in the outbox. The runner holds nothing in
 * the database while it waits for an endpoint: no connection, no transaction, no lock.
 *
 * In memory it holds, for as long as it has the lease of the endpoint's consumer: the parked events
 * by aggregate (read at the start and every ten seconds, and kept current by its own deliveries), the
 * deliveries in flight, and the ids of the events that it is retrying. A node that takes over the lease
 * reads them again.
 */
import {
  type BoxOfficeStore,
  type Delivery,
  type EventFeed,
  type StoreUnavailable,
  signWebhook
} from "@boxoffice/core"
import {
  encodeWebhook,
  longestDelayMs,
  type ParkedDelivery,
  runInBackground
} from "@boxoffice/core/store"
import { Clock, Deferred, Effect, Latch, Random, Schedule, Semaphore } from "effect"
import type { Endpoint } from "./endpoint.ts"
import { type PostResult, post } from "./post.ts"

type Deliveries = BoxOfficeStore["Service"]["deliveries"]

export interface RunnerOptions {
  readonly feed: EventFeed["Service"]
  readonly deliveries: Deliveries
  readonly endpoint: Endpoint
}

// Further events wait in the outbox, where they cost nothing.
const parkedMax = 1_000
const inFlightMax = 256
const pollEveryMs = 500
const rereadEveryMs = 10_000
/**
 * When a dead letter is tried again whose node died before it could say that it was the last attempt: later
 * than saying so takes, and soon enough for the events behind it.
 */
const unsaidMs = 60_000

/** Delivers until interrupted, on the node that holds the lease of the endpoint's consumer. */
export const runEndpoint = (options: RunnerOptions): Effect.Effect<never> =>
  // While another node has the lease, this one waits for it.
  runInBackground(
    `webhooks of ${options.endpoint.name}`,
    "1 second",
    Effect.catchTag(Effect.scoped(runWhileLeased(options)), "LeaseLost", () => Effect.void)
  )

const runWhileLeased = Effect.fnUntraced(function* ({ feed, deliveries, endpoint }: RunnerOptions) {
  const { name, consumer, concurrency } = endpoint
  const session = yield* feed.open(consumer, { types: endpoint.types, from: endpoint.from })
  // A copy of the parked events, since each new event needs to know whether its aggregate has one.
  // By event id, so that a dead letter that an operator queues again removes only itself.
  const parked = new Parked(yield* deliveries.waiting(name))

  const park = (delivery: ParkedDelivery, answer: PostResult | undefined) =>
    Effect.flatMap(delayAfter(endpoint, delivery.attempts, answer), (delayMs) => {
      const { eventId, aggregate, attempts } = delivery
      const error = answer?.summary ?? null
      const parkFor = (delayMs: number) =>
        retryStore(deliveries.park(name, { ...delivery, delayMs, error }))
      if (delayMs !== null) {
        // Before the write, so that the next event of the aggregate cannot overtake it meanwhile.
        const isNew = parked.add(aggregate, eventId)
        parked.unwritten.add(eventId)
        return Effect.map(parkFor(delayMs), (isWaiting) => {
          parked.unwritten.delete(eventId)
          // The event is a dead letter already, from its first delivery: it delays no other event.
          if (!isWaiting && isNew) parked.delete(aggregate, eventId)
        })
      }
      // It was the only attempt, so the event is a dead letter at once and delays no other event.
      const last = { attempts, delayMs, error: error ?? "" }
      return Effect.andThen(parkFor(unsaidMs), retryStore(deliveries.refused(name, eventId, last)))
    })

  const deliver = Effect.fnUntraced(function* (delivery: Delivery, aggregate: string) {
    const body = encodeWebhook(delivery)
    const fresh = { eventId: delivery.id, aggregate, body, attempts: 0 }
    // Guard webhook-order: with "false" for "parked.has(aggregate)", webhooks.test "keeps back its own aggregate" fails.
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
    // An accepted event no longer delays others, and neither does a dead letter.
    if (delayMs === null) parked.delete(delivery.aggregate, delivery.eventId)
  })

  // A slow endpoint response occupies one slot; deliveries in the other slots go on. Of fresh events and
  // of retries, no more wait for a slot than there are slots, so that each kind gets its turns however
  // many there are of the other.
  const slots = yield* Semaphore.make(concurrency)
  const turns = {
    fresh: yield* Semaphore.make(concurrency),
    retry: yield* Semaphore.make(concurrency)
  }
  // Guard webhook-turns: with "Semaphore.withPermit(slots, work)" for "Semaphore.withPermit(turns…work))", webhooks.test "take turns" fails.
  const inTurn = <A, E>(kind: keyof typeof turns, work: Effect.Effect<A, E>) =>
    Semaphore.withPermit(turns[kind], Semaphore.withPermit(slots, work))
  const inFlightPermits = yield* Semaphore.make(inFlightMax)
  const broken = yield* Deferred.make<never, StoreUnavailable>()
  const scope = yield* Effect.scope
  const start = (work: Effect.Effect<void, StoreUnavailable>) =>
    Effect.forkIn(
      // Catch defects as well: otherwise one would keep its permit for as long as the node runs.
      Effect.catchCause(work, (cause) => Deferred.failCause(broken, cause)),
      scope
    )

  const queues = new Map<string, Array<Delivery>>()
  const deliverInTurn = Effect.fnUntraced(function* (aggregate: string, queue: Array<Delivery>) {
    while (queue.length > 0) {
      yield* inTurn("fresh", deliver(queue[0]!, aggregate))
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

  // A node that has lost the lease learns of it late, and may deliver parked events until then. Without
  // this, they would count as parked here for ever.
  const reread = Effect.gen(function* () {
    const before = parked.written
    const waiting = yield* retryStore(deliveries.waiting(name))
    for (const [aggregate, eventId] of before) {
      if (!waiting.get(aggregate)?.includes(eventId)) parked.delete(aggregate, eventId)
    }
  })

  const retrying = new Set<string>()
  // Released only before the next read: a read that began earlier may still return a finished
  // event.
  const finished: Array<string> = []
  const retryDone = yield* Latch.make()
  const retryAll = Effect.gen(function* () {
    let readAt = yield* Clock.currentTimeMillis
    for (;;) {
      const now = yield* Clock.currentTimeMillis
      if (Math.abs(now - readAt) >= rereadEveryMs) {
        if (parked.size > 0) yield* reread
        readAt = now
      }
      yield* retryDone.close
      for (const eventId of finished.splice(0)) retrying.delete(eventId)
      const due = yield* retryStore(deliveries.due(name, inFlightMax))
      for (const delivery of due) {
        const { eventId, aggregate } = delivery
        if (retrying.has(eventId)) continue
        retrying.add(eventId)
        // The copy does not have a dead letter that an operator has queued again.
        parked.add(aggregate, eventId)
        const done = Effect.suspend(() => {
          finished.push(eventId)
          return retryDone.open
        })
        yield* start(Effect.andThen(inTurn("retry", retry(delivery)), done))
      }
      yield* Effect.raceFirst(retryDone.await, Effect.sleep(pollEveryMs))
    }
  })

  return yield* Effect.raceAllFirst([deliverAll, retryAll, Deferred.await(broken), session.lost])
})

/** The parked events, by aggregate and event id. */
class Parked {
  private readonly events = new Map<string, Set<string>>()
  /** Events that are on their way to the store. */
  readonly unwritten = new Set<string>()
  size = 0

  constructor(waiting: ReadonlyMap<string, ReadonlyArray<string>>) {
    for (const [aggregate, eventIds] of waiting) {
      for (const eventId of eventIds) this.add(aggregate, eventId)
    }
  }
  /** The events that the store has had, by aggregate. */
  get written(): ReadonlyArray<readonly [aggregate: string, eventId: string]> {
    return Array.from(this.events).flatMap(([aggregate, eventIds]) =>
      Array.from(eventIds)
        .filter((eventId) => !this.unwritten.has(eventId))
        .map((eventId) => [aggregate, eventId] as const)
    )
  }
  has(aggregate: string): boolean {
    return this.events.has(aggregate)
  }
  /** False if the event is parked already. */
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
 * The delay after an attempt: it doubles each time, up to an hour, with a random factor of 0.5 to
 * 1, so that many retries do not come together; `null` after the last attempt. An event without an
 * attempt has no delay.
 */
const delayAfter = (
  { attempts: attemptsMax, retryMs }: Endpoint,
  attempts: number,
  answer: PostResult | undefined
): Effect.Effect<number | null> => {
  if (attempts === 0) return Effect.succeed(0)
  // Guard webhook-attempts: without it, webhooks.test "with one attempt" fails.
  if (attempts >= attemptsMax) return Effect.succeed(null)
  const wait = Math.min(retryMs * 2 ** (attempts - 1), longestDelayMs)
  return Effect.map(Random.next, (random) =>
    Math.round(Math.max(wait * (0.5 + random / 2), answer?.retryAfterMs ?? 0))
  )
}

/**
 * Retries for a while if the store is unavailable, so that a delivery that was made gets recorded.
 */
const retryStore = <A>(effect: Effect.Effect<A, StoreUnavailable>) =>
  Effect.retry(effect, {
    while: (error) => error.retryable,
    schedule: Schedule.spaced("500 millis"),
    times: 20
  })
