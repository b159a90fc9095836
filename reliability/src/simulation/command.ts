/** `pnpm reliability simulate`: plays seeds, and shrinks and tells the first one that fails. */
import { availableParallelism } from "node:os"
import { parseArgs } from "node:util"
import { invalid, oneOf, wholeNumber } from "../arguments.ts"
import { exitCodes, usageOf } from "../usage.ts"
import { planOf } from "./generate.ts"
import { mutations } from "./mutations.ts"
import { playMany, tellShrunk } from "./playMany.ts"
import { runMutations } from "./runMutations.ts"
import { play } from "./simulate.ts"
import { storyOf } from "./story.ts"
import { themeNames } from "./themes.ts"

const usage = usageOf("simulate", "Plays simulated worlds, with faults, from seeds.", [
  ["--seeds N", "how many seeds to play; default 1000"],
  ["--from N", "the first of them; default 1"],
  ["--theme NAME", `plays only the seeds of a theme: ${themeNames.join(", ")}`],
  ["--threads N", "default: one for each processor"],
  ["--counts", "prints how often each state, transition, fault and answer was reached"],
  ["--seed S", "plays one seed, and tells it"],
  ["--verbose", "with --seed: the whole log"],
  ["--mutations", "proves that each mutation is found by its seed"],
  ["--only NAME", "with --mutations: only this one"],
  ["--search N", "with --mutations: searches the first N seeds for one that finds each"]
])

export const run = async (args: ReadonlyArray<string>): Promise<number> => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seeds: { type: "string", default: "1000" },
      from: { type: "string", default: "1" },
      seed: { type: "string" },
      verbose: { type: "boolean", default: false },
      threads: { type: "string", default: String(availableParallelism()) },
      counts: { type: "boolean", default: false },
      mutations: { type: "boolean", default: false },
      search: { type: "string" },
      theme: { type: "string" },
      only: { type: "string" },
      help: { type: "boolean", default: false }
    }
  })
  if (values.help) {
    console.log(usage)
    return exitCodes.held
  }
  const threads = wholeNumber("threads", values.threads)
  const { counts, only, search, seed, theme, verbose } = values
  if (theme !== undefined) oneOf("theme", theme, themeNames)
  if (values.mutations) {
    const names = mutations.map(({ name }) => name)
    return runMutations({
      threads,
      search: search === undefined ? undefined : wholeNumber("search", search),
      only: only === undefined ? undefined : oneOf("only", only, names)
    })
  }
  if (search !== undefined || only !== undefined) invalid("--search and --only need --mutations.")
  if (seed !== undefined) return tellSeed(wholeNumber("seed", seed, 0), theme, verbose)
  if (verbose) invalid("--verbose needs --seed.")
  const seeds = wholeNumber("seeds", values.seeds)
  return playMany({ seeds, from: wholeNumber("from", values.from, 0), threads, theme, counts })
}

const tellSeed = (seed: number, theme: string | undefined, verbose: boolean): number => {
  const plan = planOf(seed)
  if (theme !== undefined && plan.theme !== theme) {
    invalid(`The seed ${seed} has the theme ${plan.theme}, and not ${theme}.`)
  }
  const played = play(plan)
  if (played.findings.length > 0) {
    tellShrunk(played)
    console.log(`\nFAILED: the seed ${seed} breaks a promise.`)
    return exitCodes.broken
  }
  console.log(verbose ? played.log.join("\n") : storyOf(played))
  console.log(`\nThe seed ${seed} keeps every promise.`)
  return exitCodes.held
}
