/** Proves that the simulation finds each fault of `mutations.ts`. */
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
  let failures = 0
  for (const mutation of mutations) {
    if (options.only !== undefined && options.only !== mutation.name) continue
    if (options.search !== undefined) {
      const changes = [...(mutation.scale ?? []), ...mutation.changes]
      const found = await firstFailing(1, options.search, options.threads, changes, mutation.theme)
      console.log(`${mutation.name}: ${found === undefined ? "not found" : told(found)}`)
      if (found === undefined) failures++
      continue
    }
    const { unchanged, changed } = await prove(mutation)
    const isProven = unchanged === undefined && changed !== undefined
    if (!isProven) failures++
    console.log(`${isProven ? "found" : "NOT FOUND"}  ${mutation.name}: ${mutation.fault}`)
    if (changed !== undefined) console.log(`       ${told(changed)}`)
    if (unchanged !== undefined)
      console.log(`       the unchanged engine fails: ${told(unchanged)}`)
  }
  return failures > 0 ? 1 : 0
}

const told = ({ seed, findings }: Report): string => {
  const [{ invariant, text }] = findings as [Report["findings"][number]]
  return `seed ${seed}: ${invariant}: ${text.split("\n")[0]}`
}
