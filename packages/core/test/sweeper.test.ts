/** The sweeper, round by round. */
import { describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Logger } from "effect"
import { TestClock } from "effect/testing"
import { expect } from "vitest"
import { BoxOfficeStore, layerOf, layerSweeper, StoreUnavailable, sweep } from "../src/index.ts"
import { layerMemory } from "../src/testing.ts"
import { engine, openOffice, signingKeys } from "./support.ts"

describe("the sweeper", () => {
  it.effect("ends what has lapsed, and returns how much it found", () =>
    Effect.gen(function* () {
      const office = yield* openOffice({ maxActive: 1, sessionSeconds: 300 })
      const ada = yield* office.caller("ada")
      yield* office.caller("bob")
      const hold = { ...ada, performanceId: "gala-1", seatIds: ["A1"] }
      const { reservationId } = yield* office.reservations.hold(hold)
      expect(yield* sweep).toBe(0)
      yield* TestClock.adjust("5 minutes")
      expect(yield* sweep).toBe(2)
      expect(yield* sweep).toBe(0)
      const store = yield* BoxOfficeStore
      const { reservations } = yield* store.reservation(reservationId)
      expect(reservations[0]!.status).toBe("expired")
      expect(yield* office.queue.get("main")).toMatchObject({ active: 1, waiting: 0 })
    }).pipe(Effect.provide(engine()))
  )

  it.effect("goes on after the store was down", () =>
    Effect.gen(function* () {
      const away = new StoreUnavailable({ retryable: true, cause: "away" })
      let rounds = 0
      const flaky = Layer.effect(
        BoxOfficeStore,
        Effect.map(BoxOfficeStore, (store) =>
          BoxOfficeStore.of({
            ...store,
            lapsed: (limit) =>
              Effect.suspend(() => (++rounds === 1 ? Effect.fail(away) : store.lapsed(limit)))
          })
        )
      ).pipe(Layer.provide(layerMemory))
      const sweeping = layerSweeper("1 second").pipe(
        Layer.provide(layerOf({ signingKeys })),
        Layer.provide(flaky),
        Layer.provide(Logger.layer([]))
      )
      const running = yield* Effect.forkChild(Layer.launch(sweeping))
      yield* TestClock.adjust("2 seconds")
      expect(rounds).toBe(3)
      yield* Fiber.interrupt(running)
      yield* TestClock.adjust("2 seconds")
      expect(rounds).toBe(3)
    })
  )
})
