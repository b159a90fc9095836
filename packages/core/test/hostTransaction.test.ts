import { it } from "@effect/vitest"
import { Deferred, Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { describe, expect } from "vitest"
import {
  BoxOffice,
  BoxOfficeStore,
  type HostTransaction,
  HostTransactionRefused,
  layerOf,
  makeBoxOffice,
  type QueueId,
  StoreUnavailable,
  within
} from "../src/index.ts"
import { layerMemory } from "../src/testing.ts"
import { gala, signingKeys } from "./support.ts"

const seed = Effect.fnUntraced(function* (office: BoxOffice["Service"]) {
  yield* office.queue.create({ queueId: "main" })
  yield* office.catalog.addShow(gala.show)
  yield* office.catalog.addPerformance(gala.performance)
  yield* office.catalog.addSeats(gala.seats)
})

/**
 * An engine whose store is in memory, and a "transaction" that is another store in memory: so it
 * shows which of the two was asked. Both have the same catalogue.
 */
const makeWorld = Effect.gen(function* () {
  const outer = yield* Effect.provideContext(BoxOfficeStore, yield* Layer.build(layerMemory))
  const inner = yield* Effect.provideContext(BoxOfficeStore, yield* Layer.build(layerMemory))
  const outerOpen = yield* Deferred.make<void>()
  yield* Deferred.succeed(outerOpen, undefined)
  const gateway = { open: outerOpen }
  const store = BoxOfficeStore.of({
    ...outer,
    transact: (plan, decide) =>
      Effect.andThen(
        Effect.suspend(() => Deferred.await(gateway.open)),
        outer.transact(plan, decide)
      )
  })
  const committed: Array<Effect.Effect<void>> = []
  const transaction: HostTransaction = {
    store: inner,
    afterCommit: (effect) => Effect.sync(() => committed.push(effect))
  }
  const layer = layerOf({ signingKeys }).pipe(Layer.provide(Layer.succeed(BoxOfficeStore, store)))
  const office = yield* Effect.provideContext(BoxOffice, yield* Layer.build(layer))
  yield* seed(office)
  yield* within(transaction)(seed(office))
  const { token } = yield* office.queue.join({ queueId: "main", userId: "ada" })
  // The token is known on both sides, as it is in a database.
  const found = yield* within(transaction)(office.queue.join({ queueId: "main", userId: "ada" }))
  committed.length = 0
  const outside = { userId: "ada", queueToken: token }
  const inside = { userId: "ada", queueToken: found.token }
  return { office, inner, outer, transaction, committed, gateway, outside, inside }
})

const free = ({ office }: { office: BoxOffice["Service"] }, caller: { userId: string }) =>
  Effect.map(
    office.catalog.availableSeats({ ...caller, performanceId: "gala-1" }),
    ({ seats }) => seats.length
  )

describe("inside a host's transaction", () => {
  it.effect("a command runs on its store at once, past a busy batcher", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      const { office, transaction, outer, inner } = world
      world.gateway.open = yield* Deferred.make<void>()
      const blocked = yield* Effect.forkChild(
        office.reservations.hold({
          ...world.outside,
          performanceId: "gala-1",
          seatIds: ["A1"]
        })
      )
      yield* Effect.yieldNow
      const held = yield* within(transaction)(
        office.reservations.hold({ ...world.inside, performanceId: "gala-1", seatIds: ["A1"] })
      )
      expect((yield* inner.reservation(held.reservationId)).reservations).toHaveLength(1)
      expect((yield* outer.reservation(held.reservationId)).reservations).toHaveLength(0)
      yield* Deferred.succeed(world.gateway.open, undefined)
      expect(blocked.pollUnsafe()).toBeUndefined()
    })
  )

  it.effect("reads see its own changes, and fill nothing that others read", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      const { office, transaction } = world
      const inside = within(transaction)
      const seatIds = ["A1", "A2"]
      yield* inside(office.reservations.hold({ ...world.inside, performanceId: "gala-1", seatIds }))
      expect(yield* inside(free(world, world.inside))).toBe(2)
      expect(yield* free(world, world.outside)).toBe(4)
      expect(yield* inside(free(world, world.inside))).toBe(2)
      // A token that only the transaction has seen admitted is not cached.
      const bob = yield* inside(office.queue.join({ queueId: "main", userId: "bob" }))
      const caller = { userId: "bob", queueToken: bob.token }
      yield* inside(free(world, caller))
      const error = yield* Effect.flip(free(world, caller))
      expect(error._tag).toBe("QueueTokenInvalid")
    })
  )

  it.effect("events are announced only after the host has committed", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld
      const { office, transaction, committed, outer } = world
      expect(yield* free(world, world.outside)).toBe(4)
      // The same store inside and outside, so a read shows the change before it is announced.
      const shared = { ...transaction, store: outer }
      yield* within(shared)(
        office.reservations.hold({ ...world.outside, performanceId: "gala-1", seatIds: ["A1"] })
      )
      expect(yield* free(world, world.outside)).toBe(4)
      // The cached readings of this caller and map are not what the transaction would read.
      expect(yield* within(shared)(free(world, world.outside))).toBe(3)
      const dates = office.catalog.availableDates({ ...world.outside, showId: "gala" })
      const left = Effect.map(dates, ({ dates }) => dates[0]!.performances[0]!.availableSeats)
      yield* left
      expect(yield* within(shared)(left)).toBe(3)
      expect(committed).toHaveLength(1)
      yield* committed[0]!
      expect(yield* free(world, world.outside)).toBe(3)
    })
  )

  it.effect("positions are as the transaction sees them, and unchanged for other callers", () =>
    Effect.gen(function* () {
      const { office, transaction } = yield* makeWorld
      const inside = within(transaction)
      const come = (userId: string) =>
        Effect.map(office.queue.join({ queueId: "main", userId }), ({ token }) => ({
          userId,
          queueToken: token
        }))
      const setUp = Effect.gen(function* () {
        yield* office.queue.configure("main", { maxActive: 1 })
        return { bob: yield* come("bob"), cyd: yield* come("cyd") }
      })
      const [outer, inner] = [yield* setUp, yield* inside(setUp)]
      expect(yield* office.queue.status(outer.cyd)).toMatchObject({ position: 2 })

      yield* inside(office.queue.leave(inner.bob))
      expect(yield* inside(office.queue.status(inner.cyd))).toMatchObject({ position: 1 })
      expect(yield* inside(come("cyd"))).toEqual(inner.cyd)
      yield* inside(office.queue.setMode("main", "paused"))
      expect(yield* inside(office.queue.notice("main"))).toMatchObject({ mode: "paused" })
      yield* inside(office.queue.advance("main" as QueueId))

      // The host rolls back, so no user has left, and the next reading shows that.
      for (let reading = 0; reading < 2; reading++) {
        expect(yield* office.queue.status(outer.bob)).toMatchObject({ position: 1 })
        expect(yield* office.queue.status(outer.cyd)).toMatchObject({ position: 2 })
        expect(yield* office.queue.notice("main")).toMatchObject({ mode: "open" })
        yield* TestClock.adjust("1 second")
      }
    })
  )

  it.effect("the transaction's fault is the error itself", () =>
    Effect.gen(function* () {
      const { office, transaction } = yield* makeWorld
      const cause = new HostTransactionRefused({ reason: "aborted", cause: "25P02" })
      const failing = Effect.fail(new StoreUnavailable({ retryable: false, cause }))
      const aborted = { ...transaction, store: { ...transaction.store, show: () => failing } }
      const error = yield* Effect.flip(within(aborted)(office.catalog.show("gala")))
      expect(error).toBe(cause)
      const away = new StoreUnavailable({ retryable: true, cause: "away" })
      const gone = {
        ...transaction,
        store: { ...transaction.store, show: () => Effect.fail(away) }
      }
      expect(yield* Effect.flip(within(gone)(office.catalog.show("gala")))).toBe(away)
    })
  )
})

it("promises: the same services, bound to the transaction", async () => {
  const office = await makeBoxOffice(layerMemory, { signingKeys, policies: { gate: [] } })
  const context = await Effect.runPromise(Effect.scoped(Layer.build(layerMemory)))
  const store = await Effect.runPromise(Effect.provideContext(BoxOfficeStore, context))
  const inside = office.within({ store, afterCommit: () => Effect.void })
  const amount = { amount: 5n, currency: "KRW" }
  await inside.wallet.charge({ userId: "ada", amount })
  expect((await inside.wallet.balance({ userId: "ada" })).balance).toEqual(amount)
  expect((await office.wallet.balance({ userId: "ada" })).balance.amount).toBe(0n)

  const cause = new HostTransactionRefused({ reason: "none", cause: "25P01" })
  const failing = office.within({
    store: {
      ...store,
      transact: () => Effect.fail(new StoreUnavailable({ retryable: false, cause }))
    },
    afterCommit: () => Effect.void
  })
  await expect(failing.wallet.charge({ userId: "ada", amount })).rejects.toBe(cause)
  // As a value too, and in its type.
  const refused = await failing.results.wallet.charge({ userId: "ada", amount })
  if (refused.ok || refused.error._tag !== "HostTransactionRefused") throw new Error("not refused")
  expect(refused.error.reason).toBe("none")
  await office.close()
  await expect(inside.wallet.balance({ userId: "ada" })).rejects.toMatchObject({
    _tag: "StoreUnavailable"
  })
})
