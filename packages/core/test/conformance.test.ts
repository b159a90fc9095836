import { Effect, Layer, Random } from "effect"
import { TestClock } from "effect/testing"
import { describe, it } from "vitest"
import { BoxOfficeStore } from "../src/index.ts"
import { makeMemoryDatabase } from "../src/testing/MemoryDatabase.ts"
import { conformanceTests, layerFailures, layerMemory } from "../src/testing.ts"

const conforms = (name: string, layer: Layer.Layer<BoxOfficeStore>) =>
  describe(`conformance: ${name}`, () => {
    for (const { name, run } of conformanceTests) {
      it(name, () =>
        BoxOfficeStore.pipe(
          Effect.flatMap((store) =>
            run({ store, passTime: (milliseconds) => TestClock.adjust(milliseconds) })
          ),
          Effect.provide(Layer.mergeAll(layer, TestClock.layer())),
          Effect.runPromise
        )
      )
    }
  })

conforms("memory", layerMemory)
// In tests of a host, `layerFailures` is between the engine and the store, so it must conform, too.
conforms("memory that can be made to fail", Layer.provide(layerFailures, layerMemory))

const seed = process.env.SEED ?? "pauses"

// On the real clock, as on a server: batches that meet wait by it before they run again.
describe(`conformance: memory whose sessions let each other go first (seed: ${seed})`, () => {
  for (const { name, run } of conformanceTests) {
    it(name, () =>
      Effect.gen(function* () {
        const random = yield* Random.Random
        const yields = Effect.suspend(() =>
          random.nextDoubleUnsafe() < 0.3 ? Effect.yieldNow : Effect.void
        )
        const database = yield* makeMemoryDatabase({ pause: () => Effect.andThen(yields, yields) })
        const passTime = (milliseconds: number) =>
          Effect.sync(() => database.stepClock(milliseconds))
        yield* BoxOfficeStore.pipe(
          Effect.flatMap((store) => run({ store, passTime })),
          Effect.provide(database.layerStore())
        )
      }).pipe(Random.withSeed(`${seed}: ${name}`), Effect.runPromise)
    )
  }
})
