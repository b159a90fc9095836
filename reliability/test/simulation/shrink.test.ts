/** A failing plan becomes small, and is told in words. */
import { expect, test } from "vitest"
import { planOf } from "../../src/simulation/generate.ts"
import type { Plan } from "../../src/simulation/plan.ts"
import { shrink } from "../../src/simulation/shrink.ts"
import type { Played } from "../../src/simulation/simulate.ts"
import { storyOf } from "../../src/simulation/story.ts"

const playedAs = (plan: Plan, findings: Played["findings"]): Played => ({
  ...{ plan, findings, log: ["      0 node A starts"] },
  ...{ counts: new Map(), simulatedMs: 0, calls: 0 }
})

const plan = (() => {
  for (let seed = 1; ; seed++) {
    const found = planOf(seed)
    const names = found.steps.map(({ do: name }) => name)
    if (found.steps.length > 10 && names.includes("killNode") && names.includes("visit"))
      return found
  }
})()

/** A world that fails wherever a node is killed after a visit. */
const replay = (plan: Plan): Played => {
  const visit = plan.steps.findIndex((step) => step.do === "visit")
  const kill = plan.steps.findLastIndex((step) => step.do === "killNode")
  const fails = visit >= 0 && kill > visit
  return playedAs(plan, fails ? [{ invariant: "I6", text: "gone" }] : [])
}

test("only the steps that are needed are left", () => {
  const { played, tries } = shrink(replay(plan), replay)
  expect(played.plan.steps.map((step) => step.do)).toEqual(["visit", "killNode"])
  expect(played.plan.setup.nodes).toHaveLength(1)
  expect(played.plan.setup.consumers).toEqual([])
  expect(tries).toBeLessThan(200)
})

test("another broken promise does not count as the same one", () => {
  const other = (plan: Plan): Played =>
    plan.steps.length < 5
      ? playedAs(plan, [{ invariant: "I1", text: "another" }])
      : playedAs(plan, [{ invariant: "I6", text: "gone" }])
  const { played } = shrink(other(plan), other)
  expect(played.findings[0]?.invariant).toBe("I6")
  expect(played.plan.steps).toHaveLength(5)
})

test("the story names the setup, the steps, what broke, and the log", () => {
  const story = storyOf(shrink(replay(plan), replay).played)
  expect(story).toMatch(/^Seed \d+ \(\w+\)\.\n1 node\(s\)/)
  expect(story).toMatch(/u\d \(honest\) visits show\d by node [A-D]/)
  expect(story).toMatch(/node [A-D] is killed, and is away for 200 ms/)
  expect(story).toContain("I6: gone")
  expect(story).toContain("node A starts")
})

test("the story marks the place at which a promise broke, and keeps what is near to it", () => {
  const log = Array.from({ length: 400 }, (_, i) => `${String(i * 10).padStart(7)} line ${i}`)
  const finding = { invariant: "I12", text: "too many", atMs: 2_338, queueId: "q0" }
  const story = storyOf({ ...playedAs(plan, [finding]), log })
  expect(story).toContain("What broke:\n  I12 at 2338 ms, q0: too many")
  expect(story).toMatch(/2330 line 233\n {2}>>> I12 breaks here\n +2340 line 234\n/)
  expect(story).toMatch(/line 109\n +…\n/)
  expect(story).not.toContain("line 300\n")
})

test("the story of a world that keeps every promise says nothing of what broke", () => {
  expect(storyOf(playedAs(plan, []))).not.toContain("What broke")
})
