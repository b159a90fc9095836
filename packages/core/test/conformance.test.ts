import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { describe, it } from "vitest"
import { BoxOfficeStore } from "../src/index.ts"
import { conformanceTests, layerMemory } from "../src/testing.ts"

describe("conformance: memory", () => {
  for (const { name, run } of conformanceTests) {
    it(name, () =>
      BoxOfficeStore.pipe(
        Effect.flatMap((store) =>
          run({ store, passTime: (milliseconds) => TestClock.adjust(milliseconds) })
        ),
        Effect.provide(Layer.mergeAll(layerMemory, TestClock.layer())),
        Effect.runPromise
      )
    )
  }
})
