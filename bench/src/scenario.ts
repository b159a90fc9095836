/** One row of the benchmark: what is done, and what it is measured against. */
import type { Effect } from "effect"
import { type LoadResult, runCallers } from "./callers.ts"
import { type CpuPerCall, countingCpu } from "./cpu.ts"
import { hasPgbench, pgbench } from "./pgbench.ts"
import { countedStatements, startCounting } from "./statements.ts"
import type { World } from "./world.ts"

export interface Measure {
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly cpu?: CpuPerCall | undefined
  /** Where memory is compared: how much more of it the server held in the end. */
  readonly grownMb?: number
}

export interface Round {
  readonly subject: Measure
  /** `undefined` where the reference cannot be run here. */
  readonly reference: Measure | undefined
  /** What other processes spent of the processor, in µs for each answer. */
  readonly beside?: Readonly<Record<string, number>>
}

interface RoundOptions {
  readonly seconds: number
  readonly users: number
  /** Whether to say what each statement of the engine took. */
  readonly statements: boolean
}

export interface Scenario {
  readonly name: string
  /** How many callers each have one call in flight. */
  readonly callers: number
  /** What it is compared with, and by what: more answers, an earlier one, or less memory. */
  readonly against: string
  readonly by: "rate" | "latency" | "memory"
  /** What the ratio is to be: at least for rates, at most for what is to be little. */
  readonly target: number | undefined
  /** The reference, then the engine, each on rows of its own. */
  readonly round: (world: World, options: RoundOptions) => Promise<Round>
}

type Call = (n: number) => Effect.Effect<unknown, unknown> | undefined

/** Runs calls of the engine for a while; a call that fails fails the benchmark. */
const runEngine = async (
  world: World,
  callers: number,
  { seconds, statements }: RoundOptions,
  call: Call
): Promise<LoadResult & Measure> => {
  if (statements) await startCounting(world)
  const result = await countingCpu(world.serverPid, () => runCallers({ callers, seconds, call }))
  if (statements) console.error(await countedStatements(world, result.answers))
  if (result.succeeded < result.answers) {
    throw new Error(`${result.answers - result.succeeded} calls of ${result.answers} failed`)
  }
  return result
}

/** The engine beside pgbench doing the same in one statement. */
export const againstPgbench = (options: {
  readonly name: string
  readonly callers: number
  readonly by?: "rate" | "latency"
  readonly target?: number
  /** Makes fresh rows for one round, before the clock runs. */
  readonly prepare: (world: World) => Promise<string>
  /** The n-th call of a round; `undefined` when its rows are used up. */
  readonly call: (world: World, prepared: string) => Call
  readonly script: (prepared: string, users: number) => string
}): Scenario => ({
  name: options.name,
  callers: options.callers,
  against: "pgbench",
  by: options.by ?? "rate",
  target: options.target,
  round: async (world, round) => {
    const { seconds, users } = round
    let reference: Measure | undefined
    if (await hasPgbench()) {
      const script = options.script(await options.prepare(world), users)
      // One caller is compared with one client, a crowd with pgbench at its best.
      const clients = Math.min(16, options.callers)
      const { perSecond, latencyMs } = await pgbench({ url: world.url, script, clients, seconds })
      reference = { perSecond, p50Ms: latencyMs, p99Ms: Number.NaN }
    }
    const prepared = await options.prepare(world)
    const subject = await runEngine(world, options.callers, round, options.call(world, prepared))
    return { subject, reference }
  }
})

/** One job of the engine beside another one. */
export const againstItself = (options: {
  readonly name: string
  readonly against: string
  readonly callers: number
  readonly target: number
  readonly subject: (world: World) => Promise<Call>
  readonly reference: (world: World) => Promise<Call>
}): Scenario => ({
  ...options,
  by: "rate",
  round: async (world, round) => {
    const { callers } = options
    const reference = await runEngine(world, callers, round, await options.reference(world))
    const subject = await runEngine(world, callers, round, await options.subject(world))
    return { subject, reference }
  }
})
