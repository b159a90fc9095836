/** What a database in memory can be made to do to a store, and what the store makes of it. */
import { describe, expect, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, type Layer, Random } from "effect"
import { TestClock } from "effect/testing"
import { BoxOfficeStore, type UserId } from "../src/index.ts"
import { evolve, LoadPlan, lockKey, type Rows } from "../src/store.ts"
import {
  type MemoryDatabase,
  type MemoryDatabaseOptions,
  makeMemoryDatabase,
  type NodeLink,
  type Path
} from "../src/testing/MemoryDatabase.ts"
import { testId, testStart } from "../src/testing.ts"

const ada = "ada" as UserId

const storeOf = (layer: Layer.Layer<BoxOfficeStore>) =>
  Effect.provide(Effect.service(BoxOfficeStore), layer)

const open = Effect.fnUntraced(function* (
  options?: MemoryDatabaseOptions,
  link: (database: MemoryDatabase) => NodeLink | undefined = () => undefined
) {
  yield* TestClock.setTime(testStart)
  const database = yield* makeMemoryDatabase(options)
  const store = yield* storeOf(database.layerStore(link(database)))
  const other = yield* storeOf(database.layerStore())
  return { database, store, other }
})

/** A way that decides at once what becomes of a message; `undefined`: it is silent. */
const path =
  (fateOf: (message: string) => "delivered" | "lost" | undefined): Path =>
  (message, arrive) => {
    const fate = fateOf(message)
    if (fate !== undefined) arrive(fate)
    return undefined
  }

let charges = 0
/** Charges a wallet by one, in a batch of its own. */
const charge = (
  store: BoxOfficeStore["Service"],
  { userId = ada, briefly = false }: { readonly userId?: UserId; readonly briefly?: boolean } = {}
) => {
  const plan = new LoadPlan()
  plan.wallets.add(userId)
  plan.waitsBriefly = briefly
  const transferId = testId(++charges) as never
  return store.transact(plan, (rows: Rows) =>
    evolve(rows, {
      _tag: "WalletCharged",
      transferId,
      userId,
      amount: { amount: 1n, currency: "KRW" } as never,
      at: rows.now
    })
  )
}

const balanceOf = (database: MemoryDatabase) => database.inspect().wallets[0]?.balance

/** Lets other fibers run for as long as they need no time. */
const settle = Effect.replicateEffect(Effect.yieldNow, 50)

/** Lets time pass until a fiber has ended. */
const pass = <A, E>(fiber: Fiber.Fiber<A, E>): Effect.Effect<A, E> =>
  Effect.suspend(() =>
    fiber.pollUnsafe() === undefined
      ? Effect.andThen(TestClock.adjust("250 millis"), pass(fiber))
      : Fiber.join(fiber)
  )

/** Holds the first COMMIT at a point, until it is let go. */
const holdingCommit = (at = "before COMMIT is written") =>
  Effect.gen(function* () {
    const [reached, letGo] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
    let isFirst = true
    const pause = (point: string) => {
      if (point !== at || !isFirst) return Effect.void
      isFirst = false
      return Effect.andThen(Deferred.succeed(reached, undefined), Deferred.await(letGo))
    }
    return {
      pause,
      reached: Deferred.await(reached),
      letGo: Deferred.succeed(letGo, undefined)
    }
  })

/** Loses the first message of a name, on its way there or back. */
const losing = (name: string, way: keyof NodeLink, also = () => {}): NodeLink => {
  let isFirst = true
  return {
    [way]: path((message) => {
      if (message !== name || !isFirst) return "delivered"
      isFirst = false
      also()
      return "lost"
    })
  }
}

describe("a lost COMMIT", () => {
  it.effect("that had arrived is found, and not made again", () =>
    Effect.gen(function* () {
      const { database, store } = yield* open({}, () => losing("save", "toNode"))
      yield* charge(store)
      expect(balanceOf(database)).toBe(1n)
    })
  )

  it.effect("that had not arrived is made again", () =>
    Effect.gen(function* () {
      const { database, store } = yield* open({}, () => losing("save", "toServer"))
      const charging = yield* Effect.forkChild(charge(store))
      yield* pass(charging)
      expect(balanceOf(database)).toBe(1n)
    })
  )

  it.effect("does not count as done because another transaction has its id after a crash", () =>
    Effect.gen(function* () {
      let crash = () => {}
      const { database, store, other } = yield* open({}, () =>
        losing("save", "toServer", () => crash())
      )
      yield* charge(other, { userId: "bob" as UserId })
      crash = () => {
        database.stop()
        database.start()
      }
      const before = database.inspect().outbox.map(({ xid }) => xid)
      const charging = yield* Effect.forkChild(charge(store))
      yield* settle
      yield* charge(other, { userId: "cyd" as UserId })
      yield* pass(charging)
      const { wallets, outbox } = database.inspect()
      expect(wallets.map(({ userId }) => userId).sort()).toEqual(["ada", "bob", "cyd"])
      expect(outbox.length).toBe(before.length + 2)
    })
  )

  it.effect("that only confirmed a recorded answer leaves no row to be found by", () =>
    Effect.gen(function* () {
      const { store, other } = yield* open({}, () => losing("save", "toNode"))
      const commandId = testId(1) as never
      const outcome = { userId: ada, operation: "charge", fingerprint: "1", outcome: "1" }
      yield* other.transact(new LoadPlan(), (rows) => rows.addOutcome({ ...outcome, commandId }))
      const plan = new LoadPlan()
      plan.outcomes.add(commandId)
      const repeating = yield* Effect.forkChild(Effect.flip(store.transact(plan, () => {})))
      const fault = yield* pass(repeating)
      expect(fault.retryable).toBe(true)
    })
  )

  it.effect("of a session that ends after COMMIT was written is found", () =>
    Effect.gen(function* () {
      const commit = yield* holdingCommit("before COMMIT is acknowledged")
      const { database, store } = yield* open(commit)
      const charging = yield* Effect.forkChild(charge(store))
      yield* commit.reached
      expect(
        database.killBackends((sessions) => Array.from({ length: sessions }, (_, i) => i))
      ).toBe(1)
      yield* commit.letGo
      yield* pass(charging)
      expect(balanceOf(database)).toBe(1n)
    })
  )

  it.effect("of a session that ends before COMMIT was written runs again", () =>
    Effect.gen(function* () {
      const commit = yield* holdingCommit()
      const { database, store } = yield* open(commit)
      const charging = yield* Effect.forkChild(charge(store))
      yield* commit.reached
      database.killBackends(() => [0])
      expect(balanceOf(database)).toBeUndefined()
      yield* commit.letGo
      yield* pass(charging)
      expect(balanceOf(database)).toBe(1n)
    })
  )
})

describe("a lock that another batch has", () => {
  const whileLocked = Effect.gen(function* () {
    const commit = yield* holdingCommit()
    let isHolding = false
    const { store, other } = yield* open({
      pause: (point) => (isHolding ? commit.pause(point) : Effect.void)
    })
    yield* charge(other)
    isHolding = true
    const holder = yield* Effect.forkChild(charge(other))
    yield* commit.reached
    return { store, letGo: Effect.andThen(commit.letGo, Fiber.join(holder)) }
  })

  it.effect("is waited for, for a while", () =>
    Effect.gen(function* () {
      const { store, letGo } = yield* whileLocked
      const charging = yield* Effect.forkChild(Effect.exit(charge(store)))
      yield* TestClock.adjust(1_499)
      expect(charging.pollUnsafe()).toBeUndefined()
      yield* TestClock.adjust(1)
      const exit = yield* Fiber.join(charging)
      expect(Exit.isFailure(exit) && JSON.stringify(exit.cause)).toContain('"isBusy":true')
      yield* letGo
      yield* charge(store)
    })
  )

  it.effect("is waited for only briefly where the plan says so", () =>
    Effect.gen(function* () {
      const { store, letGo } = yield* whileLocked
      const charging = yield* Effect.forkChild(Effect.flip(charge(store, { briefly: true })))
      yield* TestClock.adjust(50)
      expect(yield* Fiber.join(charging)).toMatchObject({ isBusy: true, retryable: true })
      yield* letGo
    })
  )

  it.effect("is named with its holder, and none is once it is free", () =>
    Effect.gen(function* () {
      const { store, letGo } = yield* whileLocked
      const plan = new LoadPlan()
      plan.wallets.add(ada)
      const locked = yield* store.lockedRows(plan)
      expect(Array.from(locked.keys())).toEqual([lockKey.wallet(ada)])
      yield* letGo
      expect(yield* store.lockedRows(plan)).toEqual(new Map())
    })
  )
})

describe("a connection that goes silent", () => {
  it.effect("keeps its locks for as long as the server lets it, and no longer", () =>
    Effect.gen(function* () {
      const silent: NodeLink = {
        toServer: path((message) => (message === "save" ? undefined : "delivered"))
      }
      const { database, store, other } = yield* open({}, () => silent)
      yield* charge(other)
      const charging = yield* Effect.forkChild(Effect.exit(charge(store)))
      yield* settle
      yield* TestClock.adjust("14 seconds")
      const busy = yield* Effect.forkChild(Effect.flip(charge(other, { briefly: true })))
      expect(yield* pass(busy)).toMatchObject({ isBusy: true })
      yield* TestClock.adjust("1 second")
      yield* pass(yield* Effect.forkChild(charge(other)))
      expect(balanceOf(database)).toBe(2n)
      yield* Fiber.interrupt(charging)
    })
  )

  it.effect("is given up, and the batch runs on another one", () =>
    Effect.gen(function* () {
      let isSilent = true
      const link: NodeLink = {
        toNode: path((message) => {
          if (message !== "save" || !isSilent) return "delivered"
          isSilent = false
          return undefined
        })
      }
      const { database, store } = yield* open({}, () => link)
      const charging = yield* Effect.forkChild(charge(store))
      yield* pass(charging)
      expect(balanceOf(database)).toBe(1n)
    })
  )

  it.effect("takes its place in the pool meanwhile", () =>
    Effect.gen(function* () {
      const link: NodeLink = {
        maxConnections: 2,
        toNode: path((message) => (message === "load" ? undefined : "delivered"))
      }
      const { store } = yield* open({}, () => link)
      const first = yield* Effect.forkChild(Effect.flip(charge(store)))
      const second = yield* Effect.forkChild(Effect.flip(charge(store)))
      expect(yield* pass(first)).toMatchObject({ retryable: true })
      expect(yield* pass(second)).toMatchObject({ retryable: true })
    })
  )
})

describe("a server", () => {
  it.effect("that is down refuses, and keeps what it has acknowledged", () =>
    Effect.gen(function* () {
      const { database, store } = yield* open()
      yield* charge(store)
      database.stop()
      expect(yield* Effect.flip(charge(store))).toMatchObject({ retryable: true })
      expect(yield* Effect.flip(store.wallet(ada))).toMatchObject({ retryable: true })
      database.start()
      expect(yield* store.wallet(ada)).toMatchObject({ balance: 1n })
      yield* charge(store)
      expect(balanceOf(database)).toBe(2n)
    })
  )

  it.effect("that is read-only refuses writes, and sessions of that time are not used again", () =>
    Effect.gen(function* () {
      const { database, store } = yield* open()
      yield* charge(store)
      database.setReadOnly(true)
      expect(yield* Effect.flip(charge(store))).toMatchObject({ retryable: true })
      expect(yield* store.wallet(ada)).toMatchObject({ balance: 1n })
      database.setReadOnly(false)
      yield* charge(store)
      expect(balanceOf(database)).toBe(2n)
    })
  )

  it.effect("has another life after a stop, so that a page of before is interrupted", () =>
    Effect.gen(function* () {
      const { database, store } = yield* open()
      const lease = { consumer: "all", owner: testId(1), leaseMs: 1, from: "beginning" } as const
      const { cursor } = (yield* store.outbox.takeLease(lease)) as { readonly cursor: string }
      yield* charge(store)
      const page = yield* store.outbox.read(cursor, 10)
      if (page === "interrupted") throw new Error("the server has not stopped yet")
      expect(page.batches.length).toBe(1)
      database.stop()
      database.start()
      expect(yield* store.outbox.read(page.next, 10, page.at)).toBe("interrupted")
      expect(yield* store.outbox.read(cursor, 10)).toMatchObject({ batches: [{ batchId: 1n }] })
    })
  )

  it.effect("whose clock steps tells every store the new time", () =>
    Effect.gen(function* () {
      const { database, store } = yield* open()
      database.stepClock(-3_600_000)
      const { now } = yield* store.reservation(testId(1) as never)
      expect(now).toBe(testStart - 3_600_000)
      expect(database.now()).toBe(now)
    })
  )
})

it.effect("a commit that comes late is not missed by a consumer that has read on", () =>
  Effect.gen(function* () {
    const commit = yield* holdingCommit()
    const { store, other } = yield* open(commit)
    const late = yield* Effect.forkChild(charge(store))
    yield* commit.reached
    yield* charge(other, { userId: "bob" as UserId })
    const lease = { consumer: "all", owner: testId(1), leaseMs: 1, from: "beginning" } as const
    const { cursor } = (yield* store.outbox.takeLease(lease)) as { readonly cursor: string }
    const first = yield* store.outbox.read(cursor, 10)
    yield* commit.letGo
    yield* Fiber.join(late)
    if (first === "interrupted") throw new Error("the server has not stopped")
    const second = yield* store.outbox.read(first.next, 10)
    expect([first, second]).toMatchObject([
      { batches: [{ batchId: 2n }] },
      { batches: [{ batchId: 1n }] }
    ])
  })
)

it.effect("a row that a guard refuses is told by the guard's name, and is final", () =>
  Effect.gen(function* () {
    const violations: Array<string> = []
    const { store } = yield* open({ onViolation: (name) => violations.push(name) })
    yield* charge(store)
    const plan = new LoadPlan()
    plan.wallets.add(ada)
    const overdrawn = store.transact(plan, (rows) => {
      rows.wallets.change(ada, { ...rows.wallets.get(ada)!, balance: -1n, version: 2 })
    })
    expect(yield* Effect.flip(overdrawn)).toMatchObject({ retryable: false })
    expect(violations).toEqual(["wallet_not_negative"])
  })
)

it.effect("what happens follows from the seed, waits and faults included", () =>
  Effect.gen(function* () {
    const history = Effect.gen(function* () {
      charges = 0
      const random = yield* Random.Random
      const points: Array<string> = []
      const pause = (point: string) =>
        Effect.suspend(() => {
          points.push(point)
          return random.nextDoubleUnsafe() < 0.3 ? Effect.yieldNow : Effect.void
        })
      const link: NodeLink = {
        toNode: path(() => (random.nextDoubleUnsafe() < 0.1 ? "lost" : "delivered"))
      }
      const { database, store } = yield* open({ pause }, () => link)
      const charging: Array<Fiber.Fiber<unknown, unknown>> = []
      for (let i = 0; i < 12; i++)
        charging.push(yield* Effect.forkChild(Effect.exit(charge(store))))
      for (const fiber of charging) yield* pass(fiber)
      const { outbox, wallets } = database.inspect()
      return { points, attempts: outbox.map(({ attemptId }) => attemptId), wallets }
    })
    const seeded = (seed: string) => Random.withSeed(history, seed)
    const [first, again, other] = [yield* seeded("a"), yield* seeded("a"), yield* seeded("b")]
    expect(again).toEqual(first)
    expect(other.points).not.toEqual(first.points)
    expect(first.attempts.length).toBeGreaterThan(1)
  })
)
