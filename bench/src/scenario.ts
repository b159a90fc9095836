/** One row of the benchmark: what is done, and what it is measured against. */
import type { Effect } from "effect"
import { type LoadResult, runCallers } from "./callers.ts"
import { type PgbenchResult, pgbench } from "./pgbench.ts"
import type { World } from "./world.ts"

export interface Scenario {
  readonly name: string
  /** How many callers each have one call in flight. */
  readonly callers: number
  /** Makes fresh rows for one round, before the clock runs. */
  readonly prepare: (world: World) => Promise<string>
  /** The n-th call of a round; `undefined` when its rows are used up. */
  readonly call: (
    world: World,
    prepared: string
  ) => (n: number) => Effect.Effect<unknown, unknown> | undefined
  /** The script by which pgbench does the same in one statement. */
  readonly reference: (prepared: string, users: number) => string
}

export interface Round {
  readonly subject: LoadResult
  readonly reference: PgbenchResult | undefined
}

export interface RoundOptions {
  readonly seconds: number
  readonly users: number
  readonly reference: boolean
}

/** pgbench, then the engine, each on rows of its own. */
export const runRound = async (
  world: World,
  scenario: Scenario,
  { seconds, users, reference }: RoundOptions
): Promise<Round> => {
  let measured: PgbenchResult | undefined
  if (reference) {
    const script = scenario.reference(await scenario.prepare(world), users)
    // One caller is compared with one client, a crowd with pgbench at its best.
    const clients = Math.min(16, scenario.callers)
    measured = await pgbench({ url: world.url, script, clients, seconds })
  }
  const prepared = await scenario.prepare(world)
  const { callers } = scenario
  const subject = await runCallers({ callers, seconds, call: scenario.call(world, prepared) })
  if (subject.succeeded < subject.answers) {
    throw new Error(`${scenario.name}: ${subject.answers - subject.succeeded} calls failed`)
  }
  return { subject, reference: measured }
}
