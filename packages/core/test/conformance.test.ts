import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { describe, it } from "vitest"
import { BoxOfficeStore } from "../src/index.ts"
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
// What a host tests with stands between the engine and the store in each of its tests.
conforms("memory that can be made to fail", Layer.provide(layerFailures, layerMemory))
