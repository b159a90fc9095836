/** More commands at once than the engine takes. */
import { describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { expect } from "vitest"
import { Overloaded } from "../src/index.ts"
import { won } from "../src/testing.ts"
import { engine, openOffice } from "./support.ts"

describe("too much at once", () => {
  it.effect("is refused with Overloaded, and what was taken is done", () =>
    Effect.gen(function* () {
      const { wallet, balanceOf } = yield* openOffice()
      const results = yield* Effect.all(
        Array.from({ length: 10 }, () =>
          Effect.result(wallet.charge({ userId: "ada", amount: won(1) }))
        ),
        { concurrency: "unbounded" }
      )
      const refused = results.flatMap((result) =>
        result._tag === "Failure" ? [result.failure] : []
      )
      expect(refused).toHaveLength(7)
      for (const refusal of refused) expect(refusal).toBeInstanceOf(Overloaded)
      expect(yield* balanceOf("ada")).toBe(3n)
    }).pipe(Effect.provide(engine({ policies: { gate: [] }, batches: { capacity: 3 } })))
  )
})
