/** Each fault that the engine once had is found by its seed, and only by that fault. */
import { expect, test } from "vitest"
import { changed } from "../../src/simulation/mutate.ts"
import { mutations } from "../../src/simulation/mutations.ts"
import { prove } from "../../src/simulation/runMutations.ts"

test.each(mutations)("the simulation finds $name", { timeout: 600_000 }, async (mutation) => {
  const result = await prove(mutation)
  expect(result.unchanged?.findings).toBeUndefined()
  expect(result.changed?.findings.length).toBeGreaterThan(0)
})

test("a mutation whose text is gone says so", () => {
  const change = { file: "packages/core/src/Money.ts", find: "const a = 1", replace: "" }
  expect(() => changed("const b = 2", [change])).toThrow(
    "A mutation no longer applies: packages/core/src/Money.ts has this text 0 times: const a = 1"
  )
  expect(changed("const a = 1", [{ ...change, replace: "const a = 2" }])).toBe("const a = 2")
})
