/** The queue through its service: joins, polls, leaves and operators. */
import { setTimeout } from "node:timers/promises"
import { describe, it } from "@effect/vitest"
import { Effect, Fiber, Stream } from "effect"
import { TestClock } from "effect/testing"
import { expect } from "vitest"
import {
  AlreadyExists,
  QueueClosed,
  QueueNotFound,
  QueueTokenExpired,
  QueueTokenInvalid,
  QueueTokenRequired,
  QueueTokenWrongQueue
} from "../src/index.ts"
import { testStart, won } from "../src/testing.ts"
import { engine, openOffice, problems } from "./support.ts"

describe("the queue", () => {
  it.effect("admits at once while there is room, then in order", () =>
    Effect.gen(function* () {
      const office = yield* openOffice({ maxActive: 1 })
      const ada = yield* office.queue.join({ queueId: "main", userId: "ada" })
      expect(ada).toMatchObject({ state: "admitted", position: 0, created: true })
      expect(ada.expiresAt).toEqual(new Date(testStart + 600_000))
      const bob = yield* office.caller("bob")
      const cyd = yield* office.caller("cyd")
      expect(yield* office.queue.status(bob)).toMatchObject({ state: "waiting", position: 1 })
      expect(yield* office.queue.status(cyd)).toMatchObject({ position: 2, ahead: 1 })
      yield* office.queue.leave({ userId: "ada", queueToken: ada.token })
      // Cyd asks first, but Bob is next.
      expect(yield* office.queue.status(cyd)).toMatchObject({ state: "waiting", position: 1 })
      expect(yield* office.queue.status(bob)).toMatchObject({ state: "admitted", position: 0 })
      expect(yield* office.queue.get("main")).toMatchObject({ waiting: 1, active: 1 })
    }).pipe(Effect.provide(engine()))
  )

  it.effect("gives one token to a user, however often they ask at once", () =>
    Effect.gen(function* () {
      const office = yield* openOffice({ maxActive: 1 })
      const joined = yield* Effect.all(
        Array.from({ length: 200 }, () => office.queue.join({ queueId: "main", userId: "ada" })),
        { concurrency: "unbounded" }
      )
      expect(new Set(joined.map(({ token }) => token)).size).toBe(1)
      expect(joined.filter(({ created }) => created)).toHaveLength(1)
    }).pipe(Effect.provide(engine()))
  )

  it.effect("goes on admitting past the cap of a minute and past the session time", () =>
    Effect.gen(function* () {
      const office = yield* openOffice({ maxActive: 3, admitPerMinute: 2, sessionSeconds: 50 })
      const names = Array.from({ length: 6 }, (_, i) => `user-${i}`)
      const callers = yield* Effect.forEach(names, (name) => office.caller(name))
      const states = Effect.forEach(callers, (caller) =>
        Effect.map(office.queue.status(caller), ({ state }) => state[0])
      )
      // W(aiting), A(dmitted), E(xpired): two a minute, three at once.
      const after = (ms: number) => Effect.andThen(TestClock.adjust(ms), states)
      expect((yield* states).join("")).toBe("aawwww")
      expect((yield* after(49_999)).join("")).toBe("aawwww")
      expect((yield* after(1)).join("")).toBe("eewwww")
      expect((yield* after(9_999)).join("")).toBe("eewwww")
      expect((yield* after(1)).join("")).toBe("eeaaww")
      expect((yield* after(60_000)).join("")).toBe("eeeeaa")
    }).pipe(Effect.provide(engine()))
  )

  it.effect("expires a user who does not show up, and admits the next", () =>
    Effect.gen(function* () {
      const office = yield* openOffice({ maxActive: 1, claimSeconds: 10, sessionSeconds: 600 })
      const ada = yield* office.caller("ada")
      const bob = yield* office.caller("bob")
      const cyd = yield* office.caller("cyd")
      yield* office.queue.leave(ada)
      // Only the sweeper runs: Bob has ten seconds.
      yield* office.queue.advance("main" as never)
      yield* TestClock.adjust(9_999)
      expect((yield* office.queue.status(cyd)).state).toBe("waiting")
      yield* TestClock.adjust(1)
      expect((yield* office.queue.status(cyd)).state).toBe("admitted")
      expect((yield* office.queue.status(bob)).state).toBe("expired")
      expect(yield* Effect.flip(office.wallet.balance(bob))).toEqual(
        new QueueTokenExpired({ state: "expired" })
      )
    }).pipe(Effect.provide(engine()))
  )

  it.effect("begins the session of a user who shows up within the claim window", () =>
    Effect.gen(function* () {
      const office = yield* openOffice({ maxActive: 1, claimSeconds: 10, sessionSeconds: 600 })
      const ada = yield* office.caller("ada")
      const bob = yield* office.caller("bob")
      yield* office.queue.leave(ada)
      yield* office.queue.advance("main" as never)
      yield* TestClock.adjust(9_999)
      const { expiresAt } = yield* office.queue.status(bob)
      expect(expiresAt).toEqual(new Date(testStart + 9_999 + 600_000))
    }).pipe(Effect.provide(engine()))
  )

  it.effect("keeps a session alive by use, not by polling", () =>
    Effect.gen(function* () {
      const office = yield* openOffice({ sessionSeconds: 100 })
      const ada = yield* office.caller("ada")
      yield* TestClock.adjust("99 seconds")
      yield* office.wallet.balance(ada)
      yield* TestClock.adjust("99 seconds")
      yield* office.wallet.charge({ ...ada, amount: won(1) })
      yield* TestClock.adjust("99 seconds")
      expect((yield* office.queue.status(ada)).state).toBe("admitted")
      yield* TestClock.adjust("1 second")
      expect((yield* office.queue.status(ada)).state).toBe("expired")
    }).pipe(Effect.provide(engine()))
  )

  it.effect("closes, opens and drains", () =>
    Effect.gen(function* () {
      const office = yield* openOffice({ maxActive: 1 })
      const ada = yield* office.caller("ada")
      const bob = yield* office.caller("bob")
      const cyd = yield* office.caller("cyd")
      expect((yield* office.queue.setMode("main", "paused")).mode).toBe("paused")
      yield* office.queue.leave(ada)
      expect((yield* office.queue.status(bob)).state).toBe("waiting")
      const join = office.queue.join({ queueId: "main", userId: "dee" })
      expect(yield* Effect.flip(join)).toEqual(new QueueClosed({ mode: "paused" }))
      yield* office.queue.setMode("main", "draining")
      expect((yield* office.queue.status(bob)).state).toBe("admitted")
      expect(yield* Effect.flip(join)).toEqual(new QueueClosed({ mode: "draining" }))
      yield* office.queue.leave(bob)
      expect((yield* office.queue.status(cyd)).state).toBe("admitted")
      yield* office.queue.setMode("main", "open")
      expect((yield* join).state).toBe("waiting")
    }).pipe(Effect.provide(engine()))
  )

  it.effect("takes new settings from the next admission on", () =>
    Effect.gen(function* () {
      const office = yield* openOffice({ maxActive: 1 })
      yield* office.caller("ada")
      const bob = yield* office.caller("bob")
      const changed = yield* office.queue.configure("main", { maxActive: 2 })
      expect(changed.settings).toMatchObject({ maxActive: 2, sessionSeconds: 600 })
      expect((yield* office.queue.status(bob)).state).toBe("admitted")
      expect(yield* problems(office.queue.configure("main", { maxActive: 0 }))).toEqual([
        "maxActive"
      ])
      expect(yield* Effect.flip(office.queue.configure("vip", {}))).toBeInstanceOf(QueueNotFound)
    }).pipe(Effect.provide(engine()))
  )

  it.effect("streams every change until the token has ended, and nothing else", () =>
    Effect.gen(function* () {
      const office = yield* openOffice({ maxActive: 1, sessionSeconds: 60 })
      const ada = yield* office.caller("ada")
      const bob = yield* office.caller("bob")
      const cyd = yield* office.caller("cyd")
      const seen: Array<readonly [string, number]> = []
      const watching = yield* Effect.forkChild(
        Stream.runForEach(office.queue.changes(cyd), ({ state, position }) =>
          Effect.sync(() => seen.push([state, position]))
        )
      )
      // Readings rest by the machine's own timer, which the time that is set here cannot hurry.
      const untilTold = (count: number) =>
        Effect.gen(function* () {
          for (let step = 0; seen.length < count && step < 200; step++) {
            yield* TestClock.adjust("100 millis")
            yield* Effect.promise(() => setTimeout(5))
          }
        })
      yield* untilTold(1)
      yield* office.queue.leave(bob)
      yield* untilTold(2)
      yield* office.queue.leave(ada)
      yield* untilTold(3)
      expect(seen).toEqual([
        ["waiting", 2],
        ["waiting", 1],
        ["admitted", 0]
      ])
      yield* TestClock.adjust("1 minute")
      yield* untilTold(4)
      yield* Fiber.join(watching)
      expect(seen.slice(3)).toEqual([["expired", 0]])
    }).pipe(Effect.provide(engine()))
  )

  it.effect("knows its own tokens only", () =>
    Effect.gen(function* () {
      const office = yield* openOffice()
      const { queueToken } = yield* office.caller("ada")
      const { queue } = office
      for (const ask of [queue.status, queue.leave]) {
        expect(yield* Effect.flip(ask({ userId: "ada" }))).toBeInstanceOf(QueueTokenRequired)
        expect(yield* Effect.flip(ask({ userId: "bob", queueToken }))).toBeInstanceOf(
          QueueTokenInvalid
        )
        for (const queueId of ["vip", "no such name"]) {
          expect(yield* Effect.flip(ask({ userId: "ada", queueToken, queueId }))).toBeInstanceOf(
            QueueTokenWrongQueue
          )
        }
        yield* ask({ userId: "ada", queueToken, queueId: "main" })
      }
      for (const queueId of ["vip", "no such name", "x".repeat(256)]) {
        expect(yield* Effect.flip(queue.join({ queueId, userId: "ada" }))).toBeInstanceOf(
          QueueNotFound
        )
        expect(yield* Effect.flip(queue.get(queueId))).toBeInstanceOf(QueueNotFound)
        expect(yield* Effect.flip(queue.setMode(queueId, "open"))).toBeInstanceOf(QueueNotFound)
      }
    }).pipe(Effect.provide(engine()))
  )

  it.effect("is made once, and found in pages", () =>
    Effect.gen(function* () {
      const { queue } = yield* openOffice()
      const other = queue.create({ queueId: "main", settings: { maxActive: 7 } })
      expect(yield* Effect.flip(other)).toEqual(new AlreadyExists({ kind: "queue" }))
      expect(yield* queue.create({ queueId: "main" })).toMatchObject({ created: false })
      yield* queue.create({ queueId: "aisle", settings: { maxActive: 7 } })
      yield* queue.create({ queueId: "vip" })
      const first = yield* queue.list({ limit: 2 })
      expect(first.items.map(({ queueId }) => queueId)).toEqual(["aisle", "main"])
      expect(first.items[0]!.settings.maxActive).toBe(7)
      const second = yield* queue.list({ limit: 2, after: first.next! })
      expect(second).toMatchObject({ items: [{ queueId: "vip" }], next: null })
      for (const queueId of ["", "a b", ".a", "x".repeat(65), "é"]) {
        expect(yield* problems(queue.create({ queueId }))).toEqual(["queueId"])
      }
      expect(yield* problems(queue.list({ limit: 201 }))).toEqual(["limit"])
      expect(yield* problems(queue.list({ limit: 0 }))).toEqual(["limit"])
    }).pipe(Effect.provide(engine()))
  )
})
