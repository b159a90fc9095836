/** `pnpm reliability simulate`: plays seeds, and shrinks and tells the first one that fails. */
import { availableParallelism } from "node:os"
import { parseArgs } from "node:util"
import { Counts } from "./Counts.ts"
import { missing } from "./expected.ts"
import { planOf } from "./generate.ts"
import { runMutations } from "./runMutations.ts"
import { playSeeds } from "./seeds.ts"
import { shrink } from "./shrink.ts"
import { play } from "./simulate.ts"
import { storyOf } from "./story.ts"
import type { Report } from "./worker.ts"

const usage = `Usage: pnpm reliability simulate [options]

  --seeds N      how many seeds to play; default 1000
  --from N       the first of them; default 1
  --seed S       plays one seed, and tells it
  --verbose      with --seed: the whole log
  --theme NAME   plays only the seeds of a theme
  --threads N    default: one for each processor
  --mutations    proves that each mutation is found by its seed
  --search N     with --mutations: searches the first N seeds for one that finds each`

/** From this many seeds on, every listed state and transition must have been reached. */
const seedsForAll = 5_000

export const run = async (args: ReadonlyArray<string>): Promise<number> => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seeds: { type: "string", default: "1000" },
      from: { type: "string", default: "1" },
      seed: { type: "string" },
      verbose: { type: "boolean", default: false },
      threads: { type: "string", default: String(availableParallelism()) },
      mutations: { type: "boolean", default: false },
      search: { type: "string" },
      theme: { type: "string" },
      only: { type: "string" },
      help: { type: "boolean", default: false }
    }
  })
  if (values.help) {
    console.log(usage)
    return 0
  }
  const threads = Number(values.threads)
  if (values.mutations) {
    const search = values.search === undefined ? undefined : Number(values.search)
    return runMutations({ threads, search, only: values.only })
  }
  if (values.seed !== undefined) return tellSeed(Number(values.seed), values.verbose)
  const { theme } = values
  return playMany({ seeds: Number(values.seeds), from: Number(values.from), threads, theme })
}

const tellSeed = (seed: number, verbose: boolean): number => {
  const played = play(planOf(seed))
  if (played.findings.length > 0) return tellShrunk(seed)
  console.log(verbose ? played.log.join("\n") : storyOf(played))
  console.log(`\nSeed ${seed} keeps all promises.`)
  return 0
}

/** Plays a failing seed again, makes its plan small, and tells it. */
const tellShrunk = (seed: number): number => {
  const { played, tries } = shrink(play(planOf(seed)))
  console.log(storyOf(played))
  console.log(
    `\nShrunk by ${tries} plays. To play it again: pnpm reliability simulate --seed ${seed}`
  )
  return 1
}

const playMany = async (options: {
  readonly seeds: number
  readonly from: number
  readonly threads: number
  readonly theme: string | undefined
}): Promise<number> => {
  const counts = new Counts()
  const failed: Array<Report> = []
  let simulatedMs = 0
  let calls = 0
  let played = 0
  const began = performance.now()
  await playSeeds({
    ...options,
    onReport: (report) => {
      played++
      counts.add(report.counts)
      simulatedMs += report.simulatedMs
      calls += report.calls
      if (report.findings.length === 0) return
      failed.push(report)
      const [{ invariant, text }] = report.findings as [Report["findings"][number]]
      console.log(`seed ${report.seed} fails: ${invariant}: ${text.split("\n")[0]}`)
    }
  })
  const seconds = (performance.now() - began) / 1_000
  const names = Array.from(counts.byName.keys()).sort()
  for (const name of names) console.log(`${String(counts.byName.get(name)).padStart(9)}  ${name}`)
  console.log(
    `\n${played} seeds from ${options.from}: ${calls} calls in ${hours(simulatedMs)} simulated hours, ` +
      `in ${seconds.toFixed(0)} s with ${options.threads} thread(s).`
  )
  const first = failed.sort((a, b) => a.seed - b.seed)[0]
  if (first !== undefined) return tellShrunk(first.seed)
  const never =
    options.seeds >= seedsForAll && options.theme === undefined ? missing(counts.byName) : []
  for (const name of never) console.log(`never reached: ${name}`)
  return never.length > 0 ? 1 : 0
}

const hours = (ms: number): string => (ms / 3_600_000).toFixed(1)
