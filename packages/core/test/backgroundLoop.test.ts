import { describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Logger, Metric } from "effect"
import { ConnectionError, SqlError } from "effect/sql/SqlError"
import { TestClock } from "effect/testing"
import { expect } from "vitest"
import {
  type BoxOfficeEvent,
  BoxOfficeStore,
  clearEnded,
  defaultPolicies,
  layerOf,
  Policies,
  StoreUnavailable,
  sweep
} from "../src/index.ts"
import { type LoadPlan, type Rows, runInBackground } from "../src/store.ts"
import { layerMemory } from "../src/testing.ts"
import { gala, openOffice, signingKeys } from "./support.ts"

const failuresOf = (loop: string) =>
  Effect.map(Metric.snapshot, (all) => {
    const found = all.find(
      ({ id, attributes }) =>
        id === "boxoffice_background_failures" &&
        (attributes as Record<string, string> | undefined)?.loop === loop
    )
    return (found?.state as { readonly count: number } | undefined)?.count
  })

describe("background work", () => {
  it.effect("goes on after failures and defects, ever later, up to a minute", () =>
    Effect.gen(function* () {
      const rounds: Array<number> = []
      let good = false
      const clock = Effect.clockWith((clock) => clock.currentTimeMillis)
      const work = Effect.gen(function* () {
        rounds.push((yield* clock) / 1_000)
        if (good) return
        if (rounds.length % 2 === 0) return yield* Effect.fail("typed")
        return yield* Effect.die(new Error("a bug of the host"))
      })
      const loop = yield* Effect.forkChild(runInBackground("test", "1 second", work))
      yield* TestClock.adjust("4 minutes")
      expect(rounds).toEqual([0, 1, 3, 7, 15, 31, 63, 123, 183])
      expect(yield* failuresOf("test")).toBe(9)
      good = true
      yield* TestClock.adjust("1 minute")
      expect(rounds.slice(9, 12)).toEqual([243, 244, 245])
      yield* Fiber.interrupt(loop)
      yield* TestClock.adjust("1 minute")
      expect(rounds.length).toBeLessThan(70)
    })
  )

  it.effect("logs what the database said, as a line of JSON", () => {
    const lines: Array<string> = []
    const logger = Logger.formatJson.pipe(Logger.map((line) => lines.push(line)))
    // As a host's driver has it, which is wrapped once more.
    const error = new Error('relation "seat" does not exist')
    const cause = new SqlError({ reason: new ConnectionError({ cause: { code: "42P01", error } }) })
    const work = Effect.fail(new StoreUnavailable({ retryable: false, cause }))
    return Effect.gen(function* () {
      const loop = yield* Effect.forkChild(runInBackground("test", "1 second", work))
      yield* TestClock.adjust("10 millis")
      yield* Fiber.interrupt(loop)
      expect(lines).toHaveLength(1)
      expect(lines[0]).toContain("test failed, and goes on")
      expect(lines[0]).toContain("does not exist")
    }).pipe(Effect.provide(Logger.layer([logger])))
  })

  it.effect(
    "of the sweeper leaves out what a hook of the host's breaks, and tidies the rest",
    () => {
      let isBroken = true
      const store = Layer.effect(
        BoxOfficeStore,
        Effect.map(BoxOfficeStore, (inner) => ({
          ...inner,
          transact: <A>(plan: LoadPlan, decide: (rows: Rows) => A) =>
            inner.transact(plan, (rows) => {
              const decided = decide(rows)
              const breaks = (event: BoxOfficeEvent) =>
                event._tag === "HoldLapsed" && event.userId === "ada"
              // As `inTransaction` does.
              if (isBroken && rows.events.some(breaks)) throw new Error("a bug of the host")
              return decided
            })
        }))
      ).pipe(Layer.provide(layerMemory))
      return Effect.gen(function* () {
        const { caller, reservations } = yield* openOffice({ maxActive: 2 })
        const inside = [yield* caller("ada"), yield* caller("bob")]
        const performanceId = gala.performance.performanceId
        const held = yield* Effect.forEach(inside, (user, n) =>
          reservations.hold({ ...user, performanceId, seatIds: [`A${n + 1}`] })
        )
        const statuses = Effect.map(
          Effect.forEach(held, ({ reservationId }) => inner.reservation(reservationId)),
          (all) => all.map(({ reservations }) => reservations[0]!.status)
        )
        const inner = yield* BoxOfficeStore
        yield* TestClock.adjust("6 minutes")
        yield* sweep
        expect(yield* statuses).toEqual(["held", "expired"])
        isBroken = false
        yield* sweep
        expect(yield* statuses).toEqual(["expired", "expired"])
      }).pipe(Effect.provide(layerOf({ signingKeys }).pipe(Layer.provideMerge(store))))
    }
  )

  it.effect("of clearing deletes the other kinds where one fails, and says that it failed", () => {
    const asked: Array<readonly [kind: string, olderThanMs: number]> = []
    const clears = (kind: string, gone: number) => (olderThanMs: number) => {
      asked.push([kind, olderThanMs])
      return Effect.succeed(gone)
    }
    const away = new StoreUnavailable({ retryable: true, cause: "a lock" })
    let fails = true
    const store = Layer.effect(
      BoxOfficeStore,
      Effect.map(BoxOfficeStore, (inner) => ({
        ...inner,
        clearTokens: clears("tokens", 1),
        clearReservations: () => (fails ? Effect.fail(away) : Effect.succeed(2)),
        clearOutcomes: clears("outcomes", 3),
        outbox: { ...inner.outbox, prune: clears("events", 4) },
        deliveries: { ...inner.deliveries, clear: clears("dead letters", 5) }
      }))
    ).pipe(Layer.provide(layerMemory))
    return Effect.gen(function* () {
      expect(yield* Effect.flip(clearEnded)).toBe(away)
      expect(asked).toEqual([
        ["tokens", 86_400_000],
        // A day at least, also if the policies were not checked.
        ["outcomes", 86_400_000],
        ["dead letters", 90 * 86_400_000]
      ])
      fails = false
      expect(yield* clearEnded).toEqual({
        tokens: 1,
        reservations: 2,
        outcomes: 3,
        // For ever.
        events: 0,
        deadLetters: 5
      })
    }).pipe(
      Effect.provide([
        store,
        Layer.succeed(Policies, { ...defaultPolicies, idempotencyKeySeconds: 1, eventSeconds: 0 })
      ])
    )
  })
})
