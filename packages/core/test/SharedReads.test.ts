import { it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Latch } from "effect"
import { TestClock } from "effect/testing"
import { describe, expect } from "vitest"
import { StoreUnavailable } from "../src/Errors.ts"
import { makeSharedReads } from "../src/engine/SharedReads.ts"

/** A store that counts its reads, and shows what was last written. */
const makeCounted = (options: {
  readonly freshMs: number
  readonly gate?: Deferred.Deferred<void>
}) =>
  Effect.gen(function* () {
    const state = { written: 0, reads: 0 }
    const fresh = yield* makeSharedReads<string, number>({
      maxAgeMs: options.freshMs,
      keep: 2,
      read: () =>
        Effect.gen(function* () {
          state.reads++
          const seen = state.written
          if (options.gate !== undefined) yield* Deferred.await(options.gate)
          return seen
        })
    })
    const read = (key = "a") => Effect.map(fresh.read(key), ({ reading }) => reading)
    return { state, fresh, read }
  })

describe("shared reads", () => {
  it.effect("one read serves everyone within the window, and the next comes after it", () =>
    Effect.gen(function* () {
      const { state, read } = yield* makeCounted({ freshMs: 1_000 })
      yield* read()
      yield* Effect.all(
        Array.from({ length: 256 }, () => read()),
        { concurrency: "unbounded" }
      )
      yield* TestClock.adjust(999)
      yield* read()
      expect(state.reads).toBe(1)
      state.written = 7
      yield* TestClock.adjust(1)
      expect(yield* read()).toBe(7)
      expect(state.reads).toBe(2)
    })
  )

  it.effect("while the store is down, the last reading is given until it is too old", () =>
    Effect.gen(function* () {
      const state = { isDown: false, written: 0 }
      const shared = yield* makeSharedReads<string, number>({
        maxAgeMs: 1_000,
        staleIfStoreDownMs: 60_000,
        keep: 2,
        read: () =>
          Effect.suspend(() =>
            state.isDown
              ? Effect.fail(new StoreUnavailable({ retryable: true, cause: "down" }))
              : Effect.succeed(state.written)
          )
      })
      yield* shared.read("a")
      yield* shared.read("b")
      state.isDown = true
      yield* TestClock.adjust(59_999)
      expect(yield* shared.read("a")).toEqual({ reading: 0, ageMs: 59_999 })
      // What this node has changed meanwhile is never shown as it was.
      shared.invalidate("b")
      expect((yield* Effect.flip(shared.read("b")))._tag).toBe("StoreUnavailable")
      yield* TestClock.adjust(1)
      expect((yield* Effect.flip(shared.read("a")))._tag).toBe("StoreUnavailable")
      state.isDown = false
      state.written = 1
      expect((yield* shared.read("a")).reading).toBe(1)
    })
  )

  it.effect("keys that the store does not have displace no reading", () =>
    Effect.gen(function* () {
      let reads = 0
      const shared = yield* makeSharedReads<string, number | undefined>({
        maxAgeMs: 1_000,
        keep: 2,
        read: (key) =>
          Effect.sync(() => {
            reads++
            return key.startsWith("no") ? undefined : 1
          })
      })
      yield* shared.read("a")
      for (const key of ["no1", "no2", "no3"]) yield* shared.read(key)
      expect(shared.peek("a")?.reading).toBe(1)
      // They are shared as well, as many as readings, and forgotten with a change.
      expect(shared.peek("no3")).toBeDefined()
      expect(shared.peek("no1")).toBeUndefined()
      shared.invalidate("no3")
      expect(shared.peek("no3")).toBeUndefined()
      expect(reads).toBe(4)
    })
  )

  it.effect("while the store is silent, the last reading is given after half a second", () =>
    Effect.gen(function* () {
      const answers = yield* Latch.make(true)
      const shared = yield* makeSharedReads<string, number>({
        maxAgeMs: 1_000,
        staleIfStoreDownMs: 60_000,
        keep: 2,
        read: () => Effect.as(answers.await, 0)
      })
      yield* shared.read("a")
      yield* answers.close
      yield* Effect.addFinalizer(() => answers.open)
      yield* TestClock.adjust("30 seconds")
      const call = yield* Effect.forkChild(shared.read("a"))
      yield* TestClock.adjust("499 millis")
      expect(call.pollUnsafe()).toBeUndefined()
      yield* TestClock.adjust("1 millis")
      expect(call.pollUnsafe()).toBeDefined()
      expect((yield* Fiber.join(call)).reading).toBe(0)
    })
  )

  it.effect("a change of this node is seen at once", () =>
    Effect.gen(function* () {
      const { state, fresh, read } = yield* makeCounted({ freshMs: 1_000 })
      yield* read()
      state.written = 1
      fresh.invalidate("a")
      expect(yield* read()).toBe(1)
      fresh.invalidate("another")
      yield* read()
      expect(state.reads).toBe(2)
    })
  )

  it.effect(
    "a caller that comes too late for a read that is under way waits for the next one",
    () =>
      Effect.gen(function* () {
        const gate = yield* Deferred.make<void>()
        const { state, fresh, read } = yield* makeCounted({ freshMs: 1_000, gate })
        const early = yield* Effect.forkChild(read())
        while (state.reads === 0) yield* Effect.yieldNow
        // The read under way cannot show this any more.
        state.written = 1
        fresh.invalidate("a")
        const late = yield* Effect.forkChild(read())
        yield* Deferred.succeed(gate, undefined)
        expect(yield* Fiber.join(early)).toBe(0)
        expect(yield* Fiber.join(late)).toBe(1)
        expect(yield* read()).toBe(1)
        expect(state.reads).toBe(2)
      })
  )

  it.effect("with no window only what is in flight is shared", () =>
    Effect.gen(function* () {
      const { state, read } = yield* makeCounted({ freshMs: 0 })
      yield* Effect.all([read(), read(), read()], { concurrency: "unbounded" })
      expect(state.reads).toBe(1)
      yield* read()
      expect(state.reads).toBe(2)
    })
  )

  it.effect(
    "a reading comes with its age, and no more readings are kept than the option says",
    () =>
      Effect.gen(function* () {
        const { state, fresh, read } = yield* makeCounted({ freshMs: 1_000 })
        yield* read("a")
        yield* TestClock.adjust(300)
        expect((yield* fresh.read("a")).ageMs).toBe(300)
        yield* read("b")
        yield* read("c")
        yield* read("a")
        expect(state.reads).toBe(4)
      })
  )
})
