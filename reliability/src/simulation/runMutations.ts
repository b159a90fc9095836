/** Proves that the simulation finds each fault of `mutations.ts`. */
import { counted, exitCodes } from "../usage.ts"
import { toldOf } from "./check/facts.ts"
import { type Change, type Mutation, mutations } from "./mutations.ts"
import { playSeeds } from "./seeds.ts"
import type { Report } from "./worker.ts"

export interface MutationResult {
  readonly mutation: Mutation
  /** What the unchanged engine broke; nothing, if the proof is sound. */
  readonly unchanged: Report | undefined
  /** What the changed engine broke. */
  readonly changed: Report | undefined
}

/** Plays seeds until one fails. */
const firstFailing = async (
  from: number,
  seeds: number,
  threads: number,
  changes: ReadonlyArray<Change>,
  theme?: string
): Promise<Report | undefined> => {
  let first: Report | undefined
  await playSeeds({
    ...{ from, seeds, threads, changes, theme, stops: true },
    onReport: (report) => {
      if (report.findings.length === 0) return
      if (first === undefined || report.seed < first.seed) first = report
    }
  })
  return first
}

/** Plays a mutation's seed on the engine with the change and without it. */
export const prove = async (mutation: Mutation): Promise<MutationResult> => {
  const { seed, scale = [], changes } = mutation
  const [unchanged, changed] = await Promise.all([
    firstFailing(seed, 1, 1, scale),
    firstFailing(seed, 1, 1, [...scale, ...changes])
  ])
  return { mutation, unchanged, changed }
}

export const runMutations = async (options: {
  readonly threads: number
  readonly search: number | undefined
  readonly only: string | undefined
}): Promise<number> => {
  const { threads, search, only } = options
  const chosen = mutations.filter(({ name }) => only === undefined || only === name)
  const results: Array<MutationResult> = []
  for (const mutation of chosen) {
    const result = await (search === undefined ? prove(mutation) : find(mutation, search, threads))
    results.push(result)
    tell(result)
  }
  const found = results.filter(({ changed }) => changed !== undefined).length
  console.log(`\n${verdictOf(results, search)}`)
  const isProven = results.every(({ unchanged }) => unchanged === undefined)
  return isProven && found === results.length ? exitCodes.held : exitCodes.broken
}

/** Searches the first seeds for one that finds a mutation. */
const find = async (
  mutation: Mutation,
  seeds: number,
  threads: number
): Promise<MutationResult> => {
  const changes = [...(mutation.scale ?? []), ...mutation.changes]
  const changed = await firstFailing(1, seeds, threads, changes, mutation.theme)
  return { mutation, unchanged: undefined, changed }
}

const tell = ({ mutation: { name, fault }, unchanged, changed }: MutationResult): void => {
  const isProven = unchanged === undefined && changed !== undefined
  console.log(`${isProven ? "found" : "NOT FOUND"}  ${name}: ${fault}`)
  if (changed !== undefined) console.log(`       ${told(changed)}`)
  if (unchanged !== undefined) console.log(`       the unchanged engine fails: ${told(unchanged)}`)
}

/** The last line. */
export const verdictOf = (
  results: ReadonlyArray<MutationResult>,
  search: number | undefined
): string => {
  const lost = results.filter(({ changed }) => changed === undefined)
  const unsound = results.filter(({ unchanged }) => unchanged !== undefined)
  const names = (of: typeof results) => of.map(({ mutation }) => mutation.name).join(", ")
  const found = `${results.length - lost.length} of ${results.length} found`
  const notFound = lost.length === 0 ? "" : `; not found: ${names(lost)}`
  const said =
    search !== undefined
      ? `in the first ${counted(search, "seed")}`
      : unsound.length > 0
        ? `the unchanged engine fails on the seed of ${names(unsound)}`
        : `the unchanged engine passed ${results.length === 1 ? "the seed" : `each of the ${results.length} seeds`}`
  const isProven = lost.length + unsound.length === 0
  return `${isProven ? "" : "FAILED: "}${found}${notFound}; ${said}`
}

const told = ({ seed, findings }: Report): string => {
  const [first] = findings as [Report["findings"][number]]
  return `seed ${seed}: ${toldOf(first).split("\n")[0]}`
}
