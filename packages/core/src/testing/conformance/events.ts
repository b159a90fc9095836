/** Events: each consumer gets all of them, in order, from its cursor. */
import assert from "node:assert/strict"
import { randomUUID } from "node:crypto"
import { Effect, Fiber, Stream } from "effect"
import type { ConsumeOptions, Delivery, EventType } from "../../EventFeed.ts"
import { encodeEvents } from "../../events/codec.ts"
import { longestDelayMs } from "../../events/Deliveries.ts"
import type { QueueId } from "../../Ids.ts"
import { queueCodeHash } from "../../queue/code.ts"
import type { ConformanceTest } from "./harness.ts"
import { inWorld, krw, refused, times, type World, type WorldOptions } from "./world.ts"

interface EventWorld extends World {
  /** A consumer of this test alone, which begins with the next event. */
  readonly consumer: string
  /** Takes the next events of the consumer and acknowledges the first `acknowledged` of them. */
  readonly take: <Type extends EventType = EventType>(
    count: number,
    acknowledged?: number,
    options?: ConsumeOptions<Type>
  ) => Effect.Effect<ReadonlyArray<Delivery<Type>>, unknown>
}

const leaseMs = 5_000

const withEvents = (
  name: string,
  options: WorldOptions,
  test: (world: EventWorld) => Effect.Effect<void, unknown>
): ConformanceTest =>
  inWorld(name, options, (world) => {
    const { store, office } = world
    const consumer = world.user("mailer")
    const begin = store.outbox.takeLease({ consumer, owner: randomUUID(), leaseMs: 0, from: "now" })
    const take: EventWorld["take"] = (count, acknowledged = count, options) =>
      office.events.consume(consumer, { pollMs: 10, leaseMs, ...options }).pipe(
        Stream.take(count),
        Stream.mapEffect((delivery, index) =>
          Effect.as(index < acknowledged ? delivery.acknowledge : Effect.void, delivery)
        ),
        Stream.runCollect
      )
    return begin.pipe(
      Effect.andThen(test({ ...world, consumer, take })),
      // A consumer that stays would keep the events of all later tests.
      Effect.ensuring(Effect.ignore(office.events.remove(consumer)))
    )
  })

const pageOf = (store: World["store"], cursor: string) =>
  Effect.map(store.outbox.read(cursor, 100), (page) => {
    assert.ok(page !== "interrupted")
    return page
  })

const tags = (deliveries: ReadonlyArray<Delivery>) => deliveries.map(({ event }) => event._tag)
const ids = (deliveries: ReadonlyArray<Delivery>) => deliveries.map(({ id }) => id)

export const eventTests: ReadonlyArray<ConformanceTest> = [
  withEvents("a consumer gets the events of a sale typed, exact and in order", {}, (world) =>
    Effect.gen(function* () {
      const { office, join, charge, hold, take, performanceId, showId, queueId } = world
      const ada = yield* join("ada")
      yield* charge(ada, 9_007_199_254n)
      const { reservationId } = yield* hold(ada, "S1", "S2")
      const paid = yield* office.payments.pay({ ...ada, reservationId })
      const events = yield* take(6)
      assert.deepEqual(tags(events), [
        "QueueTokenIssued",
        "QueueTokenAdmitted",
        "WalletCharged",
        "SeatsHeld",
        "ReservationPaid",
        "QueueTokenCompleted"
      ])
      assert.equal(new Set(ids(events)).size, 6)
      const [issued, , charged, held, payment] = events.map(({ event }) => event)
      assert.ok(issued!._tag === "QueueTokenIssued" && typeof issued.number === "bigint")
      assert.equal(issued.queueId, queueId)
      assert.ok(charged!._tag === "WalletCharged")
      assert.deepEqual(charged.amount, krw(9_007_199_254n))
      assert.ok(held!._tag === "SeatsHeld")
      assert.deepEqual(
        held.seats.map(({ seatId, price }) => [seatId, price]),
        [
          ["S1", krw(1_000n)],
          ["S2", krw(1_000n)]
        ]
      )
      assert.deepEqual(payment, {
        _tag: "ReservationPaid",
        reservationId,
        performanceId,
        showId,
        userId: ada.userId,
        paymentId: paid.paymentId,
        seatIds: ["S1", "S2"],
        amount: krw(2_000n),
        at: paid.paidAt.getTime()
      })
      assert.deepEqual(events[3]!.aggregate, { kind: "reservation", id: reservationId })
    })
  ),
  withEvents(
    "each change of a queue by an operator is an event, with no secret in it",
    {},
    (world) =>
      Effect.gen(function* () {
        const { office, take, user } = world
        const queueId = user("audited").replaceAll(/[^a-z0-9-]/g, "-") as QueueId
        const { now } = (yield* world.store.readQueue(world.queueId, 0n))!
        const [opensAt, later] = [new Date(now + 60_000), new Date(now + 90_000)]
        const made = yield* office.queue.create({ queueId, opensAt, settings: { maxActive: 7 } })
        yield* refused("AlreadyExists", office.queue.create({ queueId }))
        const changed = yield* office.queue.configure(queueId, { maxActive: 8 })
        yield* office.queue.reschedule(queueId, later)
        const codes = ["a-code-of-it", "another-code"]
        yield* office.queue.addCodes({ queueId, codes, uses: 3 })
        yield* refused("QueueNotFound", office.queue.addCodes({ queueId: "none", codes }))
        yield* office.queue.setMode(queueId, "closed")
        const events = (yield* take(5)).map(({ event }) => event)
        const of = { queueId }
        const { commitment } = made.opening!
        const opening = { opensAt: opensAt.getTime(), commitment }
        assert.deepEqual(
          events.map(({ at: _, ...event }) => event),
          [
            { _tag: "QueueCreated", ...of, settings: made.settings, opening },
            {
              _tag: "QueueConfigured",
              ...of,
              settings: changed.settings,
              before: made.settings
            },
            {
              _tag: "QueueRescheduled",
              ...of,
              opensAt: later.getTime(),
              before: opensAt.getTime()
            },
            { _tag: "QueueCodesAdded", ...of, codes: 2, uses: 3 },
            { _tag: "QueueModeChanged", ...of, mode: "closed", before: "open" }
          ]
        )
        const json = encodeEvents(events)
        for (const code of codes) {
          assert.ok(!json.includes(code) && !json.includes(queueCodeHash(queueId, code)))
        }
      })
  ),
  withEvents("acknowledged events do not come again, the others do", {}, (world) =>
    Effect.gen(function* () {
      const { join, charge, take } = world
      const ada = yield* join("ada")
      yield* charge(ada, 1n)
      yield* charge(ada, 2n)
      const first = yield* take(4, 1)
      // The take ended in the middle of a batch.
      assert.deepEqual(tags(first).slice(0, 2), ["QueueTokenIssued", "QueueTokenAdmitted"])
      const second = yield* take(3, 2)
      assert.deepEqual(ids(second), ids(first).slice(1))
      assert.deepEqual(ids(yield* take(1)), ids(first).slice(3))
    })
  ),
  withEvents(
    "the cursor does not pass an event before earlier ones are acknowledged",
    {},
    (world) =>
      Effect.gen(function* () {
        const { join, charge, take } = world
        yield* charge(yield* join("ada"), 1n)
        const [first, second, third] = yield* take(3, 0)
        // Too late: the session of these events is over, so they do not move the cursor.
        yield* Effect.all([first!.acknowledge, second!.acknowledge])
        const again = yield* world.office.events.consume(world.consumer, { leaseMs }).pipe(
          Stream.take(3),
          Stream.mapEffect((delivery, index) =>
            Effect.as(index === 1 ? Effect.void : delivery.acknowledge, delivery)
          ),
          Stream.runCollect
        )
        assert.deepEqual(ids(again), ids([first!, second!, third!]))
        assert.deepEqual(ids(yield* take(2)), ids([second!, third!]))
      })
  ),
  withEvents("a consumer that stops anywhere misses no event and gets none twice", {}, (world) =>
    Effect.gen(function* () {
      const { join, charge, take } = world
      const callers = yield* Effect.all(times(4, (i) => join(`user${i}`)))
      // More batches than one page has, from several users in turn.
      for (const amount of times(40, (i) => BigInt(i + 1))) {
        for (const caller of callers) yield* charge(caller, amount)
      }
      const seen: Array<Delivery<"WalletCharged">> = []
      for (let session = 0; seen.length < 160; session++) {
        const count = Math.min(1 + ((session * 7) % 23), 160 - seen.length)
        seen.push(...(yield* take(count, count, { types: ["WalletCharged"] })))
      }
      assert.equal(new Set(ids(seen)).size, 160)
      for (const { userId } of callers) {
        const own = seen.filter(({ aggregate }) => aggregate.id === userId)
        assert.deepEqual(
          own.map(({ event }) => event.amount.amount),
          times(40, (i) => BigInt(i + 1))
        )
      }
    })
  ),
  withEvents("every consumer gets every event", {}, (world) =>
    Effect.gen(function* () {
      const { office, store, consumer, join, charge, take, user } = world
      const other = user("audit")
      yield* store.outbox.takeLease({
        consumer: other,
        owner: randomUUID(),
        leaseMs: 0,
        from: "now"
      })
      yield* charge(yield* join("ada"), 1n)
      const first = yield* take(3)
      const second = yield* Stream.runCollect(Stream.take(office.events.consume(other), 3))
      assert.deepEqual(ids(second), ids(first))
      const status = (yield* office.events.consumers()).filter(
        (row) => row.consumer === consumer || row.consumer === other
      )
      assert.deepEqual(
        status.map(({ consumer, active, misplaced }) => [consumer, active, misplaced]),
        [
          [other, false, false],
          [consumer, false, false]
        ]
      )
      yield* office.events.remove(other)
    })
  ),
  withEvents("one stream at a time reads as a consumer, and the next one goes on", {}, (world) =>
    Effect.gen(function* () {
      const { office, store, consumer, join, charge, take } = world
      const ada = yield* join("ada")
      const stream = office.events.consume(consumer, { pollMs: 10, leaseMs })
      const lease = { consumer, owner: randomUUID(), leaseMs, from: "now" } as const
      yield* Stream.runForEach(Stream.take(stream, 1), ({ acknowledge }) =>
        Effect.gen(function* () {
          assert.equal(yield* store.outbox.takeLease(lease), "busy")
          yield* acknowledge
        })
      )
      const waiting = yield* Effect.forkChild(take(2))
      yield* charge(ada, 1n)
      assert.deepEqual(tags(yield* Fiber.join(waiting)), ["QueueTokenAdmitted", "WalletCharged"])
    })
  ),
  withEvents(
    "another owner can take a lapsed lease, and the late owner cannot move the cursor",
    {},
    (world) =>
      Effect.gen(function* () {
        const { store, consumer, passTime } = world
        const [late, next] = [randomUUID(), randomUUID()]
        const lease = { consumer, leaseMs, from: "now" } as const
        const bookmark = yield* store.outbox.takeLease({ ...lease, owner: late })
        assert.ok(typeof bookmark === "object")
        assert.equal(yield* store.outbox.takeLease({ ...lease, owner: next }), "busy")
        yield* passTime(leaseMs + 1)
        assert.deepEqual(yield* store.outbox.takeLease({ ...lease, owner: next }), bookmark)
        const save = { consumer, leaseMs, bookmark }
        assert.equal(yield* store.outbox.save({ ...save, owner: late }), false)
        assert.equal(yield* store.outbox.save({ ...save, owner: next }), true)
      })
  ),
  withEvents(
    "an owner takes the lease of the one that it replaces, which can neither move the cursor nor keep the lease",
    {},
    (world) =>
      Effect.gen(function* () {
        const { store, consumer, join, charge } = world
        const [ended, next, late] = [randomUUID(), randomUUID(), randomUUID()]
        const lease = { consumer, leaseMs, from: "now" } as const
        const bookmark = yield* store.outbox.takeLease({ ...lease, owner: ended })
        assert.ok(typeof bookmark === "object")
        yield* charge(yield* join("ada"), 1n)
        const { next: further } = yield* pageOf(store, bookmark.cursor)
        const replacing = (owner: string, replaces: string) =>
          store.outbox.takeLease({ ...lease, owner, replaces })
        // Another node has the lease, and not the owner that this one names.
        assert.equal(yield* replacing(next, late), "busy")
        assert.deepEqual(yield* replacing(next, ended), bookmark)
        // A save of the ended owner that arrives late, or with which it gives its lease back.
        const passed = { cursor: further, position: 0 }
        for (const leaseMs of [lease.leaseMs, 0]) {
          const save = { consumer, owner: ended, leaseMs, bookmark: passed }
          assert.equal(yield* store.outbox.save(save), false)
        }
        // A lease that arrives late, and one of a node that knows only the owner before.
        assert.equal(yield* store.outbox.takeLease({ ...lease, owner: ended }), "busy")
        assert.equal(yield* replacing(late, ended), "busy")
        assert.deepEqual(yield* store.outbox.takeLease({ ...lease, owner: next }), bookmark)
        assert.equal(
          yield* store.outbox.save({ consumer, owner: next, leaseMs, bookmark: passed }),
          true
        )
      })
  ),
  withEvents(
    "a clock that steps back does not keep the lease of an owner that is gone",
    {},
    ({ store, consumer, passTime }) =>
      Effect.gen(function* () {
        const [gone, next] = [randomUUID(), randomUUID()]
        const lease = { consumer, leaseMs, from: "now" } as const
        const bookmark = yield* store.outbox.takeLease({ ...lease, owner: gone })
        // The end of the lease is an hour away now, and its owner will not renew it.
        yield* passTime(-3_600_000)
        assert.deepEqual(yield* store.outbox.takeLease({ ...lease, owner: next }), bookmark)
        assert.equal(yield* store.outbox.takeLease({ ...lease, owner: gone }), "busy")
        yield* passTime(3_600_000)
      })
  ),
  withEvents("an operator resets a consumer to the next event, or removes it", {}, (world) =>
    Effect.gen(function* () {
      const { office, consumer, join, charge, take } = world
      const ada = yield* join("ada")
      yield* charge(ada, 1n)
      assert.equal(yield* office.events.reset(consumer, "now"), true)
      yield* charge(ada, 2n)
      const [event] = yield* take(1, 1, { types: ["WalletCharged"] })
      assert.equal(event!.event.amount.amount, 2n)
      assert.equal(yield* office.events.remove(consumer), true)
      assert.equal(yield* office.events.remove(consumer), false)
      assert.equal(yield* office.events.reset(consumer, "beginning"), false)
    })
  ),
  withEvents("the store deletes only old events that every consumer has passed", {}, (world) =>
    Effect.gen(function* () {
      const { office, store, consumer, join, charge, take, passTime, user } = world
      yield* charge(yield* join("ada"), 1n)
      const mark = user("ada")
      const kept = Effect.gen(function* () {
        const all = user("all")
        const lease = { consumer: all, owner: randomUUID(), leaseMs: 0, from: "beginning" } as const
        const bookmark = yield* store.outbox.takeLease(lease)
        yield* office.events.remove(all)
        assert.ok(typeof bookmark === "object")
        let { cursor } = bookmark
        let found = 0
        for (;;) {
          const page = yield* pageOf(store, cursor)
          found += page.batches.filter(({ events }) => events.includes(mark)).length
          if (!page.more) return found
          cursor = page.next
        }
      })
      const before = yield* kept
      assert.ok(before > 0)
      yield* passTime(60_000)
      yield* office.events.prune({ olderThanMs: 0 })
      assert.equal(yield* kept, before)
      yield* take(3)
      yield* office.events.prune({ olderThanMs: 3_600_000 })
      assert.equal(yield* kept, before)
      assert.ok((yield* office.events.prune({ olderThanMs: 30_000 })) >= before)
      assert.equal(yield* kept, 0)
      yield* office.events.remove(consumer)
    })
  ),
  inWorld(
    "the store returns the first due webhook of each aggregate, and none that was given up",
    {},
    (world) =>
      Effect.gen(function* () {
        const { deliveries } = world.store
        const endpoint = world.user("crm")
        const delivery = (eventId: string, aggregate: string, attempts = 0) => ({
          eventId,
          aggregate,
          attempts,
          body: `{"id":"${eventId}"}`
        })
        const park = (eventId: string, aggregate: string, delayMs = 0) =>
          deliveries.park(endpoint, { ...delivery(eventId, aggregate), delayMs, error: null })
        const due = Effect.map(deliveries.due(endpoint, 10), (rows) =>
          rows.map((row) => row.eventId)
        )
        const dead = deliveries.dead(endpoint, { after: undefined, limit: 10 })
        yield* park("1-1", "wallet/ada", 5_000)
        yield* park("1-2", "wallet/ada")
        yield* park("2-1", "wallet/bob")
        // Parking a parked delivery changes nothing: it still waits.
        assert.equal(yield* park("1-1", "wallet/ada", 0), true)
        assert.deepEqual(yield* due, ["2-1"])
        assert.deepEqual(
          yield* deliveries.waiting(endpoint),
          new Map([
            ["wallet/ada", ["1-1", "1-2"]],
            ["wallet/bob", ["2-1"]]
          ])
        )
        yield* deliveries.accepted(endpoint, "2-1")
        yield* world.passTime(5_001)
        assert.deepEqual(yield* deliveries.due(endpoint, 10), [delivery("1-1", "wallet/ada")])
        const failed = { attempts: 1, error: "HTTP 500" }
        yield* deliveries.refused(endpoint, "1-1", { ...failed, delayMs: 5_000 })
        assert.deepEqual(yield* due, [])
        yield* deliveries.refused(endpoint, "1-1", {
          attempts: 2,
          error: "HTTP 500",
          delayMs: null
        })
        // The next delivery of the aggregate no longer waits for this one, even if another node
        // parks it late.
        assert.deepEqual(yield* due, ["1-2"])
        assert.equal(yield* park("1-1", "wallet/ada"), false)
        assert.deepEqual(yield* due, ["1-2"])
        const [letter] = yield* dead
        assert.deepEqual(
          [letter!.eventId, letter!.attempts, letter!.error, letter!.body],
          ["1-1", 2, "HTTP 500", '{"id":"1-1"}']
        )
        assert.equal(yield* deliveries.redeliver(endpoint, ["1-1", "1-2"]), 1)
        assert.deepEqual(yield* dead, [])
        assert.deepEqual(yield* due, ["1-1"])
        yield* deliveries.refused(endpoint, "1-1", { ...failed, delayMs: null })
        assert.equal(yield* deliveries.discard(endpoint, undefined), 1)
        assert.equal(yield* deliveries.discard(endpoint, undefined), 0)
        yield* deliveries.accepted(endpoint, "1-2")
        assert.deepEqual(yield* deliveries.waiting(endpoint), new Map())
      })
  ),
  inWorld(
    "a clock that steps back keeps no webhook for longer than the longest delay",
    {},
    ({ store: { deliveries }, user, passTime }) =>
      Effect.gen(function* () {
        const endpoint = user("crm")
        const park = (eventId: string, aggregate: string, delayMs: number) =>
          deliveries.park(endpoint, {
            ...{ eventId, aggregate, body: "{}", attempts: 1 },
            ...{ delayMs, error: "HTTP 500" }
          })
        const due = Effect.map(deliveries.due(endpoint, 10), (rows) =>
          rows.map((row) => row.eventId)
        )
        yield* park("1-1", "wallet/ada", 5_000)
        yield* park("1-2", "wallet/ada", 0)
        yield* park("2-1", "wallet/bob", longestDelayMs)
        assert.deepEqual(yield* due, [])
        yield* passTime(-longestDelayMs)
        // Nothing delays an attempt for so long, so the clock has stepped back. The first one of an
        // aggregate still comes first.
        assert.deepEqual(yield* due, ["1-1", "2-1"])
        assert.equal((yield* deliveries.due(endpoint, 1)).length, 1)
        for (const [eventId, delayMs] of [
          ["1-1", 5_000],
          ["2-1", longestDelayMs]
        ] as const) {
          yield* deliveries.refused(endpoint, eventId, { attempts: 2, delayMs, error: "HTTP 500" })
        }
        // From now on they wait as long as they are told to.
        assert.deepEqual(yield* due, [])
        yield* passTime(5_001)
        assert.deepEqual(yield* due, ["1-1"])
        yield* passTime(longestDelayMs)
        assert.deepEqual((yield* due).toSorted(), ["1-1", "2-1"])
        yield* deliveries.forget(endpoint, 10)
      })
  ),
  inWorld("the deliveries of an endpoint that is no more are deleted, and no others", {}, (world) =>
    Effect.gen(function* () {
      const { deliveries } = world.store
      const [gone, kept] = [world.user("gone"), world.user("kept")]
      const park = (endpoint: string, eventId: string) => {
        const delivery = { eventId, aggregate: "wallet/ada", attempts: 0, body: "{}" }
        return deliveries.park(endpoint, { ...delivery, delayMs: 60_000, error: null })
      }
      for (const endpoint of [gone, kept]) {
        for (const eventId of ["1-1", "1-2", "1-3"]) yield* park(endpoint, eventId)
        const last = { attempts: 1, error: "HTTP 500", delayMs: null }
        yield* deliveries.refused(endpoint, "1-1", last)
      }
      assert.equal(yield* deliveries.forget(gone, 2), 2)
      assert.equal(yield* deliveries.forget(gone, 2), 1)
      assert.equal(yield* deliveries.forget(gone, 2), 0)
      const page = { after: undefined, limit: 10 }
      assert.deepEqual(yield* deliveries.dead(gone, page), [])
      assert.deepEqual(yield* deliveries.waiting(gone), new Map())
      assert.equal((yield* deliveries.dead(kept, page)).length, 1)
      assert.deepEqual(yield* deliveries.waiting(kept), new Map([["wallet/ada", ["1-2", "1-3"]]]))
      assert.equal(yield* deliveries.forget(kept, 10), 3)
    })
  )
]
