/** Runs the world of a plan from its beginning to its end. */

import { check } from "./check/check.ts"
import type { Finding } from "./check/facts.ts"
import { countStates } from "./check/states.ts"
import { EndlessLoop, Machine } from "./Machine.ts"
import type { Plan } from "./plan.ts"
import { World } from "./World.ts"

export interface Played {
  readonly plan: Plan
  readonly findings: ReadonlyArray<Finding>
  readonly counts: ReadonlyMap<string, number>
  /** The log of the world, line by line: the same for each run of the same plan. */
  readonly log: ReadonlyArray<string>
  readonly simulatedMs: number
  readonly calls: number
}

export const play = (plan: Plan): Played => {
  let world: World | undefined
  try {
    return Machine.run(String(plan.seed), (machine) => {
      const begun = new World(machine, plan)
      world = begun
      begun.begin()
      return { isOver: () => begun.isOver(), result: () => playedOf(begun, check(begun)) }
    })
  } catch (error) {
    if (world === undefined) throw error
    const invariant = error instanceof EndlessLoop ? "I14" : "defect"
    return playedOf(world, [{ invariant, text: String((error as Error).stack) }])
  }
}

const playedOf = (world: World, findings: ReadonlyArray<Finding>): Played => {
  const { plan, history, counts, machine } = world
  countStates(world)
  return {
    plan,
    findings,
    counts: counts.byName,
    get log() {
      return history.lines
    },
    simulatedMs: machine.elapsed(),
    calls: history.calls.length
  }
}
