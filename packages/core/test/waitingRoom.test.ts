/** The waiting room through its service: which answers come from memory, and for how long. */
import { describe, it } from "@effect/vitest"
import { Context, Effect, Fiber, Latch, Layer, Metric, Redacted, Result, Stream } from "effect"
import { TestClock } from "effect/testing"
import { expect } from "vitest"
import {
  BoxOffice,
  BoxOfficeStore,
  defaultPolicies,
  layerOf,
  permutationOf,
  type QueueId,
  QueueTokens,
  StoreUnavailable,
  type TokenId,
  type UserId
} from "../src/index.ts"
import { departuresPerReading, LoadPlan, type Rows } from "../src/store.ts"
import { layerMemory, queueRow, testId, testStart } from "../src/testing.ts"
import { note, openOffice, signingKeys } from "./support.ts"

const gone = new StoreUnavailable({ retryable: true, cause: "away" })

/** The engine over a store that can be down and counts its calls. */
const watched = () => {
  const answers = Latch.makeUnsafe(true)
  const watch = {
    answers,
    away: false,
    lines: 0,
    gates: 0,
    batches: 0,
    readFrom: new Map<string, bigint>()
  }
  const unless = <A>(effect: Effect.Effect<A, StoreUnavailable>) =>
    Effect.suspend(() => (watch.away ? Effect.fail(gone) : Effect.andThen(answers.await, effect)))
  const store = Layer.effect(
    BoxOfficeStore,
    Effect.map(BoxOfficeStore, (inner) => ({
      ...inner,
      readQueue: (...args: Parameters<typeof inner.readQueue>) => {
        watch.lines++
        watch.readFrom.set(args[0], args[1])
        return unless(inner.readQueue(...args))
      },
      readTokens: (...args: Parameters<typeof inner.readTokens>) => {
        watch.gates++
        return unless(inner.readTokens(...args))
      },
      transact: <A>(plan: LoadPlan, decide: (rows: Rows) => A) => {
        watch.batches++
        return unless(inner.transact(plan, decide))
      }
    }))
  ).pipe(Layer.provide(layerMemory))
  const layer = layerOf({ signingKeys }).pipe(Layer.provideMerge(store))
  return { watch, layer }
}

/** The token id in the payload of a queue token. */
const tokenIdOf = ({ queueToken }: { readonly queueToken: string }): TokenId =>
  JSON.parse(Buffer.from(queueToken.split(".")[2]!, "base64url").toString())[2]

const asUser = <A extends { readonly userId: string }>(caller: A) => ({
  ...caller,
  userId: caller.userId as UserId
})

describe("polls", () => {
  it.effect(
    "of waiting users make the node read the store once a second, however many there are",
    () => {
      const { watch, layer } = watched()
      return Effect.gen(function* () {
        const office = yield* openOffice({ maxActive: 1 })
        yield* office.caller("ada")
        const bob = yield* office.caller("bob")
        const before = { ...watch }
        for (let second = 0; second < 5; second++) {
          for (let poll = 0; poll < 200; poll++) {
            expect(yield* office.queue.status(bob)).toMatchObject({ position: 1 })
          }
          yield* TestClock.adjust("1 second")
        }
        expect(watch.lines - before.lines).toBe(5)
        expect([watch.gates, watch.batches]).toEqual([before.gates, before.batches])
      }).pipe(Effect.provide(layer))
    }
  )

  it.effect("can be answered without an effect while the snapshot is fresh", () => {
    const { watch, layer } = watched()
    return Effect.gen(function* () {
      const office = yield* openOffice({ maxActive: 1 })
      const ada = yield* office.caller("ada")
      const bob = asUser(yield* office.caller("bob"))
      const { peek } = office.queue
      expect(peek(bob)).toBeUndefined()
      const told = yield* office.queue.status(bob)
      const before = { ...watch }
      expect(peek(bob)).toEqual(Result.succeed(told))
      expect(told.asOf).toEqual(new Date(testStart))
      // A refusal by the queue token alone needs no store; whether a token is admitted, only the
      // store knows.
      expect(peek({ ...bob, queueToken: "forged" })).toMatchObject({
        failure: { _tag: "QueueTokenInvalid" }
      })
      expect(peek({ userId: bob.userId })).toMatchObject({
        failure: { _tag: "QueueTokenRequired" }
      })
      expect(peek({ ...bob, queueId: "other" })).toMatchObject({
        failure: { _tag: "QueueTokenWrongQueue" }
      })
      expect(peek(asUser(ada))).toBeUndefined()
      yield* TestClock.adjust(899)
      expect(peek(bob)).toBeDefined()
      yield* TestClock.adjust(1)
      expect(peek(bob)).toBeUndefined()
      expect(watch).toEqual(before)
    }).pipe(Effect.provide(layer))
  })

  it.effect("of a user who left need no store", () => {
    const { watch, layer } = watched()
    return Effect.gen(function* () {
      const office = yield* openOffice({ maxActive: 1 })
      yield* office.caller("ada")
      const bob = yield* office.caller("bob")
      yield* office.queue.leave(bob)
      expect(yield* office.queue.status(bob)).toMatchObject({ state: "left" })
      const before = { ...watch }
      expect(yield* office.queue.status(bob)).toMatchObject({ state: "left" })
      // The gate refuses such a token without a read, too.
      expect(yield* Effect.flip(office.wallet.balance(bob))).toMatchObject({
        _tag: "QueueTokenExpired",
        state: "left"
      })
      expect(watch).toEqual(before)
    }).pipe(Effect.provide(layer))
  })
})

describe("while the store is down", () => {
  it.effect("positions come from the last snapshot, with its age", () => {
    const { watch, layer } = watched()
    return Effect.gen(function* () {
      const office = yield* openOffice({ maxActive: 1, sessionSeconds: 20 })
      const ada = yield* office.caller("ada")
      const bob = yield* office.caller("bob")
      yield* office.queue.status(bob)
      watch.away = true
      yield* TestClock.adjust("40 seconds")
      // Ada's token has lapsed meanwhile, but a node admits no user without the store.
      expect(yield* office.queue.status(bob)).toMatchObject({
        state: "waiting",
        position: 1,
        asOf: new Date(testStart)
      })
      expect(yield* Effect.flip(office.queue.join({ queueId: "main", userId: "cyd" }))).toBe(gone)
      yield* TestClock.adjust("21 seconds")
      expect(yield* Effect.flip(office.queue.status(bob))).toBe(gone)
      watch.away = false
      expect((yield* office.queue.status(bob)).state).toBe("admitted")
      expect((yield* office.queue.status(ada)).state).toBe("expired")
      expect(yield* office.queue.get("main")).toMatchObject({ active: 1, waiting: 0 })
    }).pipe(Effect.provide(layer))
  })

  it.effect("an admitted user can go on reading, for a while and not past the session", () => {
    const { watch, layer } = watched()
    return Effect.gen(function* () {
      const office = yield* openOffice({ sessionSeconds: 3_000 })
      const [ada, bob] = [yield* office.caller("ada"), yield* office.caller("bob")]
      yield* office.wallet.balance(ada)
      watch.away = true
      yield* TestClock.adjust("59 seconds")
      yield* office.wallet.balance(ada)
      expect(yield* Effect.flip(office.wallet.balance(bob))).toBe(gone)
      yield* TestClock.adjust("1 second")
      expect(yield* Effect.flip(office.wallet.balance(ada))).toBe(gone)
    }).pipe(Effect.provide(layer))
  })
})

describe("the gate", () => {
  it.effect("lets an admitted user read on in an outage, though an extension is due", () => {
    const { watch, layer } = watched()
    return Effect.gen(function* () {
      const office = yield* openOffice({ sessionSeconds: 100 })
      const ada = yield* office.caller("ada")
      yield* office.wallet.balance(ada)
      yield* TestClock.adjust("9 seconds")
      yield* office.wallet.balance(ada)
      watch.away = true
      // A tenth of the session has passed: a call would extend it now.
      yield* TestClock.adjust("20 seconds")
      yield* office.wallet.balance(ada)
    }).pipe(Effect.provide(layer))
  })

  it.effect("while the store is silent, an admitted user waits half a second to read on", () => {
    const { watch, layer } = watched()
    return Effect.gen(function* () {
      const office = yield* openOffice({ sessionSeconds: 3_000 })
      const ada = yield* office.caller("ada")
      yield* office.wallet.balance(ada)
      yield* watch.answers.close
      yield* TestClock.adjust("30 seconds")
      const balance = yield* Effect.forkChild(office.wallet.balance(ada))
      yield* TestClock.adjust("499 millis")
      expect(balance.pollUnsafe()).toBeUndefined()
      yield* TestClock.adjust("1 millis")
      expect(balance.pollUnsafe()).toBeDefined()
      expect((yield* Fiber.join(balance)).balance.amount).toBe(0n)
    }).pipe(Effect.ensuring(Effect.suspend(() => watch.answers.open)), Effect.provide(layer))
  })
})

describe("a queue whose next 90 of 100 users are gone", () => {
  const settings = { maxActive: 100, claimSeconds: 30, sessionSeconds: 600 }

  it.effect("is back to 95 % use two ticks after their tokens have lapsed", () => {
    const { layer } = watched()
    return Effect.gen(function* () {
      const office = yield* openOffice(settings)
      const come = (name: string, count: number) =>
        Effect.forEach(Array.from({ length: count }), (_, i) => office.caller(`${name}${i}`))
      const inside = yield* come("first", 100)
      const absent = yield* come("absent", 90)
      const there = yield* come("there", 10)
      const next = yield* come("next", 200)
      const present = [...there, ...next]
      yield* Effect.forEach(inside, office.queue.leave)
      /** How many users are admitted and have shown up, once all present users have polled. */
      const used = Effect.map(
        Effect.forEach(present, office.queue.status),
        (statuses) => statuses.filter(({ state }) => state === "admitted").length
      )
      yield* TestClock.adjust("1 second")
      expect(yield* used).toBe(10)
      expect(yield* office.queue.get("main")).toMatchObject({ active: 100, waiting: 200 })

      yield* TestClock.adjust("28 seconds")
      expect(yield* used).toBe(10)
      // Now the tokens of the absent users lapse.
      yield* TestClock.adjust("1 second")
      for (let tick = 0; tick < 2; tick++) {
        yield* office.queue.advance("main" as QueueId)
        yield* TestClock.adjust("1 second")
      }
      expect(yield* used).toBeGreaterThanOrEqual(95)
      expect(yield* office.queue.get("main")).toMatchObject({ active: 100, waiting: 110 })
      for (const user of absent) {
        expect((yield* office.queue.status(user)).state).toBe("expired")
      }
    }).pipe(Effect.provide(layer))
  })
})

describe("the public info of a queue", () => {
  it.effect("is read once a second for all callers, and served while the store is down", () => {
    const { watch, layer } = watched()
    return Effect.gen(function* () {
      const office = yield* openOffice()
      const before = watch.lines
      for (let i = 0; i < 100; i++) {
        expect(yield* office.queue.notice("main")).toEqual({
          queueId: "main",
          mode: "open",
          opening: null
        })
      }
      expect(watch.lines - before).toBe(1)
      yield* office.queue.setMode("main", "paused")
      expect(yield* office.queue.notice("main")).toMatchObject({ mode: "paused" })
      watch.away = true
      yield* TestClock.adjust("59 seconds")
      expect(yield* office.queue.notice("main")).toMatchObject({ mode: "paused" })
      yield* TestClock.adjust("1 second")
      expect(yield* Effect.flip(office.queue.notice("main"))).toBe(gone)
      watch.away = false
      for (const name of ["nope", "no/name"]) {
        expect(yield* Effect.flip(office.queue.notice(name))).toMatchObject({
          _tag: "QueueNotFound"
        })
      }
    }).pipe(Effect.provide(layer))
  })
})

describe("of more than a thousand queues", () => {
  const openMany = Effect.fnUntraced(function* (count: number) {
    const { queue } = yield* BoxOffice
    const names = Array.from({ length: count }, (_, i) => `q${i}`)
    const settings = { maxActive: 1 }
    yield* Effect.forEach(names, (queueId) => queue.create({ queueId, settings }))
    const come = (queueId: string, userId: string) =>
      Effect.map(queue.join({ queueId, userId }), ({ token }) => ({ userId, queueToken: token }))
    return { queue, names, come }
  })

  it.effect(
    "those are kept in mind that were asked about last, and all are answered rightly",
    () => {
      const { watch, layer } = watched()
      return Effect.gen(function* () {
        const { queue, names, come } = yield* openMany(1_001)
        const [first, second, ...others] = names as [string, string, ...Array<string>]
        yield* come(first, "ada")
        const bob = yield* come(first, "bob")
        const cyd = yield* come(first, "cyd")
        yield* queue.leave(bob)
        expect(yield* queue.status(cyd)).toMatchObject({ position: 1 })
        yield* TestClock.adjust("1 second")

        // It has been known the longest, and is asked about all the same.
        yield* queue.notice(second)
        yield* Effect.forEach(others.slice(0, 998), queue.notice)
        expect(yield* queue.status(cyd)).toMatchObject({ position: 1 })
        expect(watch.readFrom.get(first)).toBe(1n)
        yield* queue.notice(others[998]!)
        yield* TestClock.adjust("1 second")
        expect(yield* queue.status(cyd)).toMatchObject({ position: 1 })
        expect(watch.readFrom.get(first), "read on from what is known").toBe(1n)

        // With a thousand others asked about since, it is evicted: read again, and the same.
        yield* Effect.forEach([second, ...others], queue.notice)
        yield* TestClock.adjust("1 second")
        expect(yield* queue.status(cyd)).toMatchObject({ position: 1 })
        expect(watch.readFrom.get(first), "read anew").toBe(0n)
        expect(yield* queue.status(bob)).toMatchObject({ state: "left" })
      }).pipe(Effect.provide(layer))
    }
  )

  it.effect("all are answered without a wait", () => {
    const { layer } = watched()
    return Effect.gen(function* () {
      const { queue, names, come } = yield* openMany(1_500)
      const waiting = yield* Effect.forEach(names, (queueId) =>
        Effect.andThen(come(queueId, "ada"), come(queueId, "bob"))
      )
      const notices = yield* Effect.all(names.map(queue.notice), { concurrency: "unbounded" })
      expect(notices.map(({ queueId }) => queueId)).toEqual(names)
      const told = yield* Effect.all(waiting.map(queue.status), { concurrency: "unbounded" })
      for (const status of told) expect(status).toMatchObject({ state: "waiting", position: 1 })
    }).pipe(Effect.provide(layer))
  })

  it.effect("a user who polled an evicted queue still counts as present", () => {
    const { layer } = watched()
    return Effect.gen(function* () {
      const { queue, names, come } = yield* openMany(1_001)
      const [first, ...others] = names as [string, ...Array<string>]
      const ada = yield* come(first, "ada")
      const bob = yield* come(first, "bob")
      const seen: Array<unknown> = []
      const store = yield* BoxOfficeStore
      for (let minute = 0; minute < 2; minute++) {
        yield* queue.status(bob)
        yield* Effect.forEach(others, queue.notice)
        // Only a batch that looks for the next in line learns when they were last seen.
        const plan = new LoadPlan()
        plan.addHeads(first as QueueId, { limit: 2 })
        const line = yield* store.transact(plan, (rows) => Array.from(rows.tokens.values()))
        seen.push(line.find(({ tokenId }) => tokenId === tokenIdOf(bob))!.seenUntil)
        yield* TestClock.adjust("1 minute")
        yield* queue.status(ada)
      }
      expect(seen).toEqual([expect.any(Number), expect.any(Number)])
    }).pipe(Effect.provide(layer))
  })
})

describe("a draw of a million tokens, of which 200,000 have left", () => {
  const [drawn, left] = [1_000_000, 200_000]
  const queueId = "main" as QueueId
  const row = queueRow({
    nextNumber: BigInt(drawn + 1),
    waiting: drawn - left,
    departed: BigInt(left),
    drawSize: BigInt(drawn),
    active: defaultPolicies.queue.maxActive,
    opening: { opensAt: testStart, seed: "5eed".repeat(16), openedAt: testStart }
  })
  const departure = (_: unknown, i: number) => ({
    queueId,
    lane: "general" as const,
    number: BigInt(1 + 5 * i),
    seq: BigInt(i + 1)
  })
  const departures = Array.from({ length: left }, departure)

  it.effect("is read in eleven statements, and the node does other work meanwhile", () => {
    let readings = 0
    const readQueue = (_: QueueId, after: bigint) =>
      Effect.sync(() => {
        readings++
        const page = departures.slice(Number(after), Number(after) + departuresPerReading)
        return { now: testStart, queue: row, lapsed: false, departures: page, admissions: [] }
      })
    const store = Layer.effect(
      BoxOfficeStore,
      Effect.map(BoxOfficeStore, (inner) => ({ ...inner, readQueue }))
    ).pipe(Layer.provide(layerMemory))
    const keys = [{ id: "k1", secret: Redacted.make(signingKeys.k1) }]
    return Effect.gen(function* () {
      const { queue } = yield* BoxOffice
      const { sign } = yield* QueueTokens
      const userId = "ada" as UserId
      const entry = { lane: "general" as const, number: 2, issuedAt: testStart / 1_000 }
      const queueToken = sign({ queueId, userId, tokenId: testId(2), entry })

      // Something else that wants its turn, again and again.
      let turns = 0
      let longest = 0
      let last = performance.now()
      let next: NodeJS.Immediate
      const turn = () => {
        turns++
        longest = Math.max(longest, performance.now() - last)
        last = performance.now()
        next = setImmediate(turn)
      }
      next = setImmediate(turn)
      const begun = performance.now()
      const status = yield* queue.status({ userId, queueToken })
      const took = performance.now() - begun
      clearImmediate(next)
      note(
        `${took.toFixed(0)} ms until places are exact, ${turns} turns of the event loop, ` +
          `at most ${longest.toFixed(1)} ms apart`
      )
      expect(turns).toBeGreaterThanOrEqual(left / 2_000)
      expect(readings).toBe(1 + left / departuresPerReading)

      const { placeOf } = permutationOf({ queueId, seed: row.opening!.seed, drawn })
      const own = placeOf(2)
      const gone = departures.filter(({ number }) => placeOf(Number(number)) < own).length
      expect(status).toMatchObject({ state: "waiting", position: own - gone })
    }).pipe(
      Effect.provide(layerOf({ signingKeys }).pipe(Layer.provideMerge(store))),
      Effect.provide(QueueTokens.layer(keys))
    )
  })
})

describe("a stream", () => {
  it.effect("shows that the opening was moved", () => {
    const { layer } = watched()
    return Effect.gen(function* () {
      const { queue } = yield* BoxOffice
      const opened = "opened" as QueueId
      yield* queue.create({ queueId: opened, opensAt: new Date(60_000) })
      const { token: queueToken } = yield* queue.join({ queueId: opened, userId: "ada" })
      const told = yield* queue.changes({ userId: "ada", queueToken }).pipe(
        Stream.map(({ opensAt }) => opensAt?.getTime()),
        Stream.take(2),
        Stream.runCollect,
        Effect.forkChild
      )
      yield* TestClock.adjust("1 second")
      yield* queue.reschedule(opened, new Date(90_000))
      yield* TestClock.adjust("3 seconds")
      expect(yield* Fiber.join(told)).toEqual([60_000, 90_000])
    }).pipe(Effect.provide(layer))
  })
})

describe("the metrics", () => {
  it.effect("are depth, rate, admitted and expired users, and the error of estimates", () => {
    const { layer } = watched()
    return Effect.gen(function* () {
      const office = yield* openOffice({ maxActive: 1, claimSeconds: 10, sessionSeconds: 10 })
      yield* office.caller("ada")
      for (let n = 0; n < 20; n++) yield* office.caller(`absent${n}`)
      const cyd = yield* office.caller("cyd")
      // There is room for one, which each absent user has for the claim window.
      for (let turn = 0; turn < 20; turn++) {
        expect((yield* office.queue.status(cyd)).state).toBe("waiting")
        yield* TestClock.adjust("10 seconds")
      }
      yield* office.queue.status(cyd)
      yield* TestClock.adjust("10 seconds")
      expect((yield* office.queue.status(cyd)).state).toBe("admitted")
      const snapshot = yield* Metric.snapshot
      const values = Object.fromEntries(
        snapshot
          .filter(({ id }) => id.startsWith("boxoffice_queue_"))
          .map(({ id, state }) => {
            const { value, count } = state as { value?: unknown; count?: unknown }
            return [id.slice("boxoffice_queue_".length), Number(value ?? count)]
          })
      )
      expect(values).toMatchObject({
        waiting: 0,
        active: 1,
        admitted_last_minute: 6,
        admitted_total: 22,
        // Ada was idle, and the absent never came.
        expired_total: 21,
        unclaimed_total: 20,
        estimate_error: 1
      })
    }).pipe(Effect.provide(layer), Effect.provide(Layer.succeed(Metric.MetricRegistry, new Map())))
  })
})

describe("a node whose presence marks do not reach the store", () => {
  // Two nodes over one store. The store refuses the presence marks of the first one.
  const twoNodes = Effect.gen(function* () {
    const shared = yield* Layer.build(layerMemory)
    const store = Context.get(shared, BoxOfficeStore)
    const office = (own: Partial<BoxOfficeStore["Service"]>) =>
      Effect.map(
        Layer.build(
          Layer.fresh(layerOf({ signingKeys, policies: { gate: [] } })).pipe(
            Layer.provide(Layer.succeed(BoxOfficeStore, { ...store, ...own }))
          )
        ),
        (context) => Context.get(context, BoxOffice)
      )
    return [yield* office({ markSeen: () => Effect.fail(gone) }), yield* office({})] as const
  })

  it.effect("refuses polls, so that a user does not take a lost token for kept", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(testStart)
      const [deaf, other] = yield* twoNodes
      yield* other.queue.create({
        queueId: "main",
        settings: { maxActive: 1, absenceSeconds: 60 }
      })
      const join = (userId: string) =>
        Effect.map(other.queue.join({ queueId: "main", userId }), ({ token }) => ({
          userId,
          queueToken: token
        }))
      const [inside, asker] = [yield* join("inside"), yield* join("asker")]
      const rest = yield* Effect.forEach(["ada", "bob"], join)
      let answeredAt = 0
      for (let second = 1; second <= 240; second++) {
        yield* TestClock.adjust("1 second")
        const asked = yield* Effect.result(deaf.queue.status(asker))
        if (Result.isSuccess(asked)) answeredAt = second
        yield* Effect.forEach(rest, other.queue.status)
        if (second % 30 === 0) yield* other.queue.status(inside)
      }
      // Its first flush is due after a minute, and its snapshot answers for another minute.
      expect(answeredAt).toBeGreaterThanOrEqual(60)
      expect(answeredAt).toBeLessThan(150)
      yield* other.queue.leave(inside)
      const states = yield* Effect.forEach([asker, ...rest], (caller) =>
        Effect.map(other.queue.status(caller), ({ state }) => state)
      )
      // The user who polled the failing node counts as absent, those who polled the other one do
      // not.
      expect(states).toEqual(["left", "admitted", "waiting"])
    }).pipe(Effect.scoped)
  )
})
