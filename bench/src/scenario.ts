/** One row of the benchmark: the measured calls and their reference. */
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
  /** For rows that compare memory: the growth of the server's memory. */
  readonly grownMb?: number
}

export interface Round {
  readonly subject: Measure
  /** `undefined` if the reference cannot run on this machine. */
  readonly reference: Measure | undefined
  /** Processor time of other processes, in µs per response. */
  readonly beside?: Readonly<Record<string, number>>
}

interface RoundOptions {
  readonly seconds: number
  readonly users: number
  /** Whether to print the time of each statement of the engine. */
  readonly statements: boolean
}

export interface Scenario {
  readonly name: string
  /** The number of concurrent callers, each with one call in flight. */
  readonly callers: number
  /** The name of the reference, and the figure to compare. */
  readonly against: string
  readonly by: "rate" | "latency" | "memory"
  /** The target of the ratio: a minimum for rates, a maximum for latency and memory. */
  readonly target: number | undefined
  /** Runs the reference and then the engine, each on its own rows. */
  readonly round: (world: World, options: RoundOptions) => Promise<Round>
}

type Call = (n: number) => Effect.Effect<unknown, unknown> | undefined

/** Runs calls of the engine for a fixed time; a failed call fails the benchmark. */
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

/** Compares the engine with pgbench, which does the same in one statement. */
export const againstPgbench = (options: {
  readonly name: string
  readonly callers: number
  readonly by?: "rate" | "latency"
  readonly target?: number
  /** Creates the rows of one round, before the measurement. */
  readonly prepare: (world: World) => Promise<string>
  /** The n-th call of a round; `undefined` if its rows are used up. */
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
      // One caller is compared with one client; many callers with pgbench's best number of clients.
      const clients = Math.min(16, options.callers)
      const { perSecond, latencyMs } = await pgbench({ url: world.url, script, clients, seconds })
      reference = { perSecond, p50Ms: latencyMs, p99Ms: Number.NaN }
    }
    const prepared = await options.prepare(world)
    const subject = await runEngine(world, options.callers, round, options.call(world, prepared))
    return { subject, reference }
  }
})

/** Compares one load of the engine with another one. */
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
