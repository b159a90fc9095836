/** The last line of `simulate` says what came of it, and what to do next. */
import { expect, test } from "vitest"
import type { Finding } from "../../src/simulation/check/facts.ts"
import { mutations } from "../../src/simulation/mutations.ts"
import { type Sums, verdictOf } from "../../src/simulation/playMany.ts"
import {
  type MutationResult,
  verdictOf as verdictOfMutations
} from "../../src/simulation/runMutations.ts"

const sums: Sums = {
  ...{ played: 100, calls: 6_012, simulatedMs: 3_600_000, seconds: 15, threads: 2 },
  ...{ failed: [], never: [] }
}

test("of seeds that keep every promise, of some that do not, and of a state that none reached", () => {
  expect(verdictOf(sums)).toBe(
    "100 seeds kept every promise: 6,012 calls in 1.0 simulated hours, 15 s with 2 threads"
  )
  expect(verdictOf({ ...sums, failed: [7, 8, 9] })).toBe(
    "FAILED: 3 of 100 seeds: 7, 8, 9. To see one: npx --yes pnpm@12 reliability simulate --seed 7"
  )
  expect(verdictOf({ ...sums, never: ["join: ok"] })).toBe(
    "FAILED: 100 seeds kept every promise, and never reached: join: ok"
  )
})

test("of mutations that are found, one that is not, and one whose seed fails without it", () => {
  const findings: ReadonlyArray<Finding> = [{ invariant: "I6", text: "gone" }]
  const report = { seed: 1, findings, counts: [], simulatedMs: 0, calls: 0 }
  const found = mutations.map(
    (mutation): MutationResult => ({ mutation, unchanged: undefined, changed: report })
  )
  const all = mutations.length
  const [first, ...others] = found as [MutationResult]
  const verdict = (results: ReadonlyArray<MutationResult>) => verdictOfMutations(results, undefined)
  expect(verdict(found)).toBe(
    `${all} of ${all} found; the unchanged engine passed each of the ${all} seeds`
  )
  expect(verdict([{ ...first, changed: undefined }, ...others])).toBe(
    `FAILED: ${all - 1} of ${all} found; not found: lost-event; the unchanged engine passed each of the ${all} seeds`
  )
  expect(verdict([{ ...first, unchanged: report }, ...others])).toBe(
    `FAILED: ${all} of ${all} found; the unchanged engine fails on the seed of lost-event`
  )
  expect(verdictOfMutations(found, 50)).toBe(`${all} of ${all} found; in the first 50 seeds`)
})
