import { describe, it } from "@effect/vitest"
import { Effect, Latch, Layer } from "effect"
import { TestClock } from "effect/testing"
import { expect } from "vitest"
import {
  BoxOfficeStore,
  defaultPolicies,
  type GatedOperation,
  HoldExpired,
  InsufficientBalance,
  LimitExceeded,
  makeBoxOffice,
  Overloaded,
  type PolicySettings,
  QueueTokenExpired,
  QueueTokenInvalid,
  QueueTokenRequired,
  RequestInvalid,
  SeatUnavailable,
  SigningKeysInvalid,
  StoreUnavailable
} from "../src/index.ts"
import { layerMemory, testStart, won } from "../src/testing.ts"
import { engine, gala, openOffice, seatIds, signingKeys } from "./support.ts"

const open = (store = layerMemory, options: Partial<Parameters<typeof makeBoxOffice>[1]> = {}) =>
  makeBoxOffice(store, { signingKeys, ...options })

const furnish = async (office: Awaited<ReturnType<typeof open>>) => {
  await office.queue.create({ queueId: "main" })
  await office.catalog.addShow(gala.show)
  await office.catalog.addPerformance(gala.performance)
  await office.catalog.addSeats(gala.seats)
  const { token } = await office.queue.join({ queueId: "main", userId: "ada" })
  return { userId: "ada", queueToken: token }
}

/** A store whose batches wait for a latch, and which tells when it is given back. */
const slowStore = () => {
  const latch = Latch.makeUnsafe(true)
  const state = { open: false, opened: 0, batches: 0 }
  const layer = Layer.effect(
    BoxOfficeStore,
    Effect.gen(function* () {
      const store = yield* BoxOfficeStore
      state.open = true
      state.opened++
      yield* Effect.addFinalizer(() =>
        Effect.sync(() => {
          state.open = false
        })
      )
      return BoxOfficeStore.of({
        ...store,
        transact: (plan, decide) =>
          Effect.suspend(() => {
            state.batches++
            return Effect.andThen(latch.await, store.transact(plan, decide))
          })
      })
    })
  ).pipe(Layer.provide(layerMemory))
  return { layer, latch, state }
}

/** Lets everything that can go on without us go on: a few turns of the event loop. */
const settle = async () => {
  for (let turn = 0; turn < 5; turn++) await new Promise<void>((resolve) => setImmediate(resolve))
}

describe("promises", () => {
  it("reject with the tagged error itself", async () => {
    await using office = await open()
    const ada = await furnish(office)
    const hold = { ...ada, performanceId: "gala-1", seatIds: ["A1"] }
    const { reservationId } = await office.reservations.hold(hold)
    const taken = await office.reservations.hold(hold).catch((error) => error)
    expect(taken).toBeInstanceOf(SeatUnavailable)
    expect(taken).toBeInstanceOf(Error)
    expect(taken).toMatchObject({
      _tag: "SeatUnavailable",
      code: "seat_unavailable",
      message: "Not available: A1 (held).",
      conflicts: [{ seatId: "A1", reason: "held" }]
    })
    const poor = await office.payments.pay({ ...ada, reservationId }).catch((error) => error)
    expect(poor).toBeInstanceOf(InsufficientBalance)
    expect(poor).toMatchObject({
      code: "insufficient_balance",
      required: won(110_000),
      available: won(0)
    })
  })

  it("reject with every problem of an input", async () => {
    await using office = await open()
    const error = await office.reservations
      .hold({ userId: "", performanceId: "", seatIds: ["A1", "A1"], idempotencyKey: "a b" })
      .catch((error) => error)
    expect(error).toBeInstanceOf(RequestInvalid)
    const paths = (error as RequestInvalid).errors.map(({ path }) => path)
    expect(paths.toSorted()).toEqual(["idempotencyKey", "performanceId", "seatIds", "userId"])
    for (const { message } of (error as RequestInvalid).errors) expect(message).not.toBe("")
  })

  it("reject with what the store fails with", async () => {
    const away = new StoreUnavailable({ retryable: true, cause: new Error("gone") })
    const failing = Layer.effect(
      BoxOfficeStore,
      Effect.map(BoxOfficeStore, (store) =>
        BoxOfficeStore.of({ ...store, transact: () => Effect.fail(away) })
      )
    ).pipe(Layer.provide(layerMemory))
    await using office = await open(failing)
    const error = await office.queue.join({ queueId: "main", userId: "ada" }).catch((e) => e)
    expect(error).toBe(away)
  })
})

describe("an AbortSignal", () => {
  it("gives up a call that waits for its turn: it never takes effect", async () => {
    const { layer, latch, state } = slowStore()
    await using office = await open(layer, { policies: { gate: [] } })
    const charge = (amount: number, options?: { readonly signal: AbortSignal }) =>
      office.wallet.charge({ userId: "ada", amount: won(amount) }, options)
    latch.closeUnsafe()
    const first = charge(1)
    await settle()
    expect(state.batches).toBe(1)
    const controller = new AbortController()
    const second = charge(10, { signal: controller.signal }).catch((error) => error)
    const third = charge(100)
    await settle()
    controller.abort()
    expect(await second).toBeInstanceOf(Error)
    latch.openUnsafe()
    expect((await first).balance).toEqual(won(1))
    expect((await third).balance).toEqual(won(101))
    expect((await office.wallet.entries({ userId: "ada" })).items).toHaveLength(2)
  })

  it("gives up waiting for a call that is under way: it takes its course", async () => {
    const { layer, latch } = slowStore()
    await using office = await open(layer, { policies: { gate: [] } })
    latch.closeUnsafe()
    const controller = new AbortController()
    const input = { userId: "ada", amount: won(1) }
    const call = office.wallet.charge(input, { signal: controller.signal }).catch((error) => error)
    await settle()
    controller.abort()
    expect(await call).toBeInstanceOf(Error)
    latch.openUnsafe()
    expect((await office.wallet.charge(input)).balance).toEqual(won(2))
  })

  it("that is aborted already stops the call before it begins", async () => {
    const { layer, state } = slowStore()
    await using office = await open(layer, { policies: { gate: [] } })
    const signal = AbortSignal.abort()
    const input = { userId: "ada", amount: won(1) }
    await expect(office.wallet.charge(input, { signal })).rejects.toBeInstanceOf(Error)
    await settle()
    expect(state.batches).toBe(0)
  })
})

describe("closing", () => {
  it("happens at the end of a block, and gives the store back", async () => {
    const { layer, state } = slowStore()
    {
      await using office = await open(layer)
      await office.queue.create({ queueId: "main" })
      expect(state.open).toBe(true)
    }
    expect(state.open).toBe(false)
  })

  it("may be asked for more than once", async () => {
    const { layer, state } = slowStore()
    const office = await open(layer)
    await office.close()
    await office.close()
    await office[Symbol.asyncDispose]()
    expect(state.open).toBe(false)
  })

  it("lets what is in flight end first, and refuses what waits", async () => {
    const { layer, latch, state } = slowStore()
    const office = await open(layer, { policies: { gate: [] } })
    latch.closeUnsafe()
    const charge = () => office.wallet.charge({ userId: "ada", amount: won(1) })
    const flying = charge()
    await settle()
    const waiting = charge().catch((error) => error)
    await settle()
    const closing = office.close()
    expect(await waiting).toBeInstanceOf(Overloaded)
    expect(state.open).toBe(true)
    latch.openUnsafe()
    expect((await flying).balance).toEqual(won(1))
    await closing
    expect(state.open).toBe(false)
  })

  it("refuses everything from then on", async () => {
    const office = await open()
    const ada = await furnish(office)
    await office.close()
    const refusals = [
      await office.queue.join({ queueId: "main", userId: "ada" }).catch((error) => error),
      await office.queue.get("main").catch((error) => error),
      await office.queue
        .changes(ada)
        [Symbol.asyncIterator]()
        .next()
        .catch((error) => error)
    ]
    for (const refusal of refusals) {
      expect(refusal).toBeInstanceOf(StoreUnavailable)
      expect(refusal.message).toBe("This engine is closed: open another one.")
    }
  })

  it("ends what still watches a queue", async () => {
    const office = await open()
    const watch = office.queue.changes(await furnish(office))[Symbol.asyncIterator]()
    expect((await watch.next()).value).toMatchObject({ state: "admitted" })
    const next = watch.next().catch((error) => error)
    await office.close()
    expect(await next).toBeInstanceOf(Overloaded)
  })
})

describe("queue.changes", () => {
  it("is an async iterable that begins with the status now", async () => {
    await using office = await open()
    const ada = await furnish(office)
    const seen = []
    for await (const status of office.queue.changes(ada)) {
      seen.push(status)
      break
    }
    expect(seen).toMatchObject([{ queueId: "main", state: "admitted", position: 0 }])
  })

  it("ends once the token has", async () => {
    await using office = await open()
    const ada = await furnish(office)
    await office.queue.leave(ada)
    const seen = []
    for await (const { state } of office.queue.changes(ada)) seen.push(state)
    expect(seen).toEqual(["left"])
  })

  it("throws the tagged error", async () => {
    await using office = await open()
    const stolen = { ...(await furnish(office)), userId: "grace" }
    const first = office.queue.changes(stolen)[Symbol.asyncIterator]().next()
    await expect(first).rejects.toBeInstanceOf(QueueTokenInvalid)
  })
})

describe("policies", () => {
  const gated: ReadonlyArray<GatedOperation> = [
    "dates",
    "seats",
    "hold",
    "charge",
    "balance",
    "pay"
  ]

  /** Each gated operation by a caller without a queue token: what it refuses with, if it does. */
  const withoutToken = Effect.fnUntraced(function* (reservationId: string) {
    const { catalog, reservations, wallet, payments } = yield* openOffice()
    const userId = "ada"
    const refusals: Record<GatedOperation, Effect.Effect<unknown, { readonly _tag: string }>> = {
      dates: catalog.availableDates({ userId, showId: "gala" }),
      seats: catalog.availableSeats({ userId, performanceId: "gala-1" }),
      hold: reservations.hold({ userId, performanceId: "gala-1", seatIds: ["A1"] }),
      charge: wallet.charge({ userId, amount: won(1) }),
      balance: wallet.balance({ userId }),
      pay: payments.pay({ userId, reservationId })
    }
    const required: Array<string> = []
    for (const operation of gated) {
      const result = yield* Effect.result(refusals[operation])
      if (result._tag === "Failure" && result.failure._tag === "QueueTokenRequired") {
        required.push(operation)
      }
    }
    return required
  })

  it.effect("ask for a queue token at all six operations by default", () =>
    Effect.gen(function* () {
      expect(yield* withoutToken("none")).toEqual(gated)
    }).pipe(Effect.provide(engine()))
  )

  for (const operation of gated) {
    it.effect(`can switch the gate off at ${operation}, and there alone`, () =>
      Effect.gen(function* () {
        const others = gated.filter((other) => other !== operation)
        expect(yield* withoutToken("none")).toEqual(others)
      }).pipe(
        Effect.provide(engine({ policies: { gate: gated.filter((other) => other !== operation) } }))
      )
    )
  }

  it.effect("can switch the gate off altogether", () =>
    Effect.gen(function* () {
      expect(yield* withoutToken("none")).toEqual([])
    }).pipe(Effect.provide(engine({ policies: { gate: [] } })))
  )

  const buy = Effect.fnUntraced(function* (office: Effect.Success<ReturnType<typeof openOffice>>) {
    const ada = yield* office.caller("ada")
    const hold = { ...ada, performanceId: "gala-1", seatIds: ["A1"] }
    const { reservationId, amount } = yield* office.reservations.hold(hold)
    yield* office.wallet.charge({ ...ada, amount })
    yield* office.payments.pay({ ...ada, reservationId })
    return ada
  })

  it.effect("complete the queue token with a payment, which makes room for the next", () =>
    Effect.gen(function* () {
      const office = yield* openOffice({ maxActive: 1 })
      const ada = yield* buy(office)
      expect((yield* office.queue.status(ada)).state).toBe("completed")
      expect(yield* Effect.flip(office.wallet.balance(ada))).toEqual(
        new QueueTokenExpired({ state: "completed" })
      )
      const next = yield* office.queue.join({ queueId: "main", userId: "grace" })
      expect(next.state).toBe("admitted")
    }).pipe(Effect.provide(engine()))
  )

  it.effect("can let the queue token live on after a payment", () =>
    Effect.gen(function* () {
      const office = yield* openOffice({ maxActive: 1 })
      const ada = yield* buy(office)
      expect((yield* office.queue.status(ada)).state).toBe("admitted")
      expect((yield* office.wallet.balance(ada)).balance).toEqual(won(0))
      const next = yield* office.queue.join({ queueId: "main", userId: "grace" })
      expect(next.state).toBe("waiting")
    }).pipe(Effect.provide(engine({ policies: { paymentCompletesToken: false } })))
  )

  it.effect("say how long a hold lasts, to the millisecond", () =>
    Effect.gen(function* () {
      const office = yield* openOffice()
      const ada = yield* office.caller("ada")
      const hold = { ...ada, performanceId: "gala-1", seatIds: ["A1"] }
      const held = yield* office.reservations.hold(hold)
      expect(held.holdExpiresInSeconds).toBe(7)
      yield* TestClock.adjust(6_999)
      expect(yield* Effect.flip(office.reservations.hold(hold))).toBeInstanceOf(SeatUnavailable)
      yield* TestClock.adjust(1)
      const pay = { ...ada, reservationId: held.reservationId }
      expect(yield* Effect.flip(office.payments.pay(pay))).toEqual(
        new HoldExpired({ expiredAt: held.holdExpiresAt })
      )
      yield* office.reservations.hold(hold)
    }).pipe(Effect.provide(engine({ policies: { holdSeconds: 7 } })))
  )

  it.effect("limit seats, by reservation and by user", () =>
    Effect.gen(function* () {
      const office = yield* openOffice()
      const ada = yield* office.caller("ada")
      const hold = (...seatIds: ReadonlyArray<string>) =>
        office.reservations.hold({ ...ada, performanceId: "gala-1", seatIds })
      expect(yield* Effect.flip(hold("A1", "A2", "A3"))).toEqual(
        new LimitExceeded({ name: "seatsPerReservation", limit: 2 })
      )
      const first = yield* hold("A1", "A2")
      yield* hold("A3")
      expect(yield* Effect.flip(hold("A4"))).toEqual(
        new LimitExceeded({ name: "seatsPerUser", limit: 3 })
      )
      // Released and lapsed holds do not count.
      yield* office.reservations.release({ ...ada, reservationId: first.reservationId })
      yield* hold("A4")
      yield* TestClock.adjust("5 minutes")
      yield* hold(...seatIds.slice(0, 2))
    }).pipe(Effect.provide(engine({ policies: { seatsPerReservation: 2, seatsPerUser: 3 } })))
  )

  it.effect("say which currency a wallet begins in, and what a queue is made with", () =>
    Effect.gen(function* () {
      const office = yield* openOffice({}, "EUR")
      const ada = yield* office.caller("ada")
      expect((yield* office.wallet.balance(ada)).balance).toEqual({ amount: 0n, currency: "EUR" })
      expect((yield* office.queue.get("main")).settings).toEqual(queue)
    }).pipe(Effect.provide(engine({ policies: { currency: "EUR", queue } })))
  )
  const queue = {
    maxActive: 1,
    admitPerMinute: 2,
    claimSeconds: 3,
    sessionSeconds: 4,
    prioritySharePercent: 5,
    absenceSeconds: 6
  }

  const wrong: ReadonlyArray<readonly [string, Partial<PolicySettings>, string]> = [
    ["a hold of no time", { holdSeconds: 0 }, "holdSeconds"],
    ["half a second", { holdSeconds: 0.5 }, "holdSeconds"],
    ["an operation that there is not", { gate: ["dance" as never] }, "gate"],
    ["a currency that is none", { currency: "won" }, "currency"],
    ["a ceiling that no store can hold", { walletCeiling: 2n ** 63n }, "walletCeiling"],
    ["a ceiling that is a float", { walletCeiling: 1.5 as never }, "walletCeiling"],
    ["a queue for nobody", { queue: { ...defaultPolicies.queue, maxActive: 0 } }, "maxActive"],
    ["something missing", { seatsPerUser: undefined as never }, "seatsPerUser"]
  ]
  it.each(wrong)("refuse %s, say where, and give the store back", async (_, policies, path) => {
    const { layer, state } = slowStore()
    const error = await open(layer, { policies }).catch((error) => error)
    expect(error).toBeInstanceOf(Error)
    expect(error.message).toContain(path)
    expect(state).toMatchObject({ open: false, opened: 1 })
  })
})

describe("other options", () => {
  it("refuse signing keys that cannot be used, and give the store back", async () => {
    const { layer, state } = slowStore()
    const error = await open(layer, { signingKeys: { k1: "short" } }).catch((error) => error)
    expect(error).toBeInstanceOf(SigningKeysInvalid)
    expect(error.message).not.toContain("short")
    expect(state).toMatchObject({ open: false, opened: 1 })
  })

  it("bound how many calls may wait", async () => {
    const { layer, latch } = slowStore()
    await using office = await open(layer, { policies: { gate: [] }, batches: { capacity: 1 } })
    const charge = () => office.wallet.charge({ userId: "ada", amount: won(1) })
    latch.closeUnsafe()
    const first = charge()
    await settle()
    const second = charge()
    await settle()
    const refused = await charge().catch((error) => error)
    expect(refused).toBeInstanceOf(Overloaded)
    expect(refused).toMatchObject({ code: "overloaded", retryAfterSeconds: 1 })
    latch.openUnsafe()
    await Promise.all([first, second])
  })

  it("accept a token that another engine with the same keys has signed", async () => {
    const { layer } = slowStore()
    await using one = await open(layer)
    const ada = await furnish(one)
    await using other = await open(layer, { signingKeys: { k2: "x".repeat(32), ...signingKeys } })
    // It is signed well, but its store does not know of it.
    expect(await other.queue.status(ada).catch((error) => error)).toBeInstanceOf(QueueTokenInvalid)
    const { queueToken, ...nobody } = ada
    const refused = await other.wallet.balance(nobody).catch((error) => error)
    expect(refused).toBeInstanceOf(QueueTokenRequired)
  })

  it.effect("sweep in the background as often as asked", () =>
    Effect.gen(function* () {
      const office = yield* openOffice({ maxActive: 1 })
      const store = yield* BoxOfficeStore
      const ada = yield* office.caller("ada")
      const hold = { ...ada, performanceId: "gala-1", seatIds: ["A1"] }
      const { reservationId } = yield* office.reservations.hold(hold)
      yield* office.caller("grace")
      yield* TestClock.adjust("10 minutes")
      yield* TestClock.adjust("5 seconds")
      // Without a poll, the hold has ended and the next user in line is admitted.
      const [stored] = (yield* store.reservation(reservationId)).reservations
      expect(stored!.status).toBe("expired")
      expect(yield* store.queue("main" as never)).toMatchObject({ waiting: 0, active: 1 })
      expect(yield* store.lapsed(10)).toEqual({ reservations: [], queues: [] })
    }).pipe(
      Effect.provide(engine({ sweepEvery: "5 seconds" })),
      // The sweeper starts with the engine: from 1970 it would have a lot of rounds to catch up on.
      (test) => Effect.andThen(TestClock.setTime(testStart), test)
    )
  )
})
