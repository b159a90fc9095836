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
// In tests of a host, `layerFailures` is between the engine and the store, so it must conform, too.
conforms("memory that can be made to fail", Layer.provide(layerFailures, layerMemory))
