/** Plays many seeds, shrinks and tells the first one that fails, and says last what came of all. */
import { invalid } from "../arguments.ts"
import { startProgress } from "../progress.ts"
import { commandLine, counted, exitCodes } from "../usage.ts"
import { Counts } from "./Counts.ts"
import { toldOf } from "./check/facts.ts"
import { missing } from "./expected.ts"
import { planOf } from "./generate.ts"
import { playSeeds } from "./seeds.ts"
import { shrink } from "./shrink.ts"
import { type Played, play } from "./simulate.ts"
import { storyOf } from "./story.ts"

/** From this many seeds on, every listed state and transition must have been reached. */
const seedsForAll = 5_000
/** A reader needs few failures; of the others the numbers do. */
const toldMax = 10

/** Makes the plan of a failing seed small, and tells it. */
export const tellShrunk = (failed: Played): void => {
  const { played, tries } = shrink(failed)
  console.log(storyOf(played))
  console.log(`\nThe plan of the seed ${failed.plan.seed} was shrunk by ${counted(tries, "play")}.`)
}

export interface Sums {
  readonly played: number
  readonly calls: number
  readonly simulatedMs: number
  readonly seconds: number
  readonly threads: number
  /** The seeds that failed. */
  readonly failed: ReadonlyArray<number>
  /** What was listed and never reached. */
  readonly never: ReadonlyArray<string>
}

/** The last line. */
export const verdictOf = (sums: Sums): string => {
  const { played, calls, simulatedMs, seconds, threads, failed, never } = sums
  if (failed.length > 0) {
    return (
      `FAILED: ${failed.length.toLocaleString("en")} of ${counted(played, "seed")}: ` +
      `${failed.join(", ")}. To see one: ${commandLine(`simulate --seed ${failed[0]}`)}`
    )
  }
  if (never.length > 0) {
    return `FAILED: ${counted(played, "seed")} kept every promise, and never reached: ${never.join("; ")}`
  }
  return (
    `${counted(played, "seed")} kept every promise: ${counted(calls, "call")} in ` +
    `${(simulatedMs / 3_600_000).toFixed(1)} simulated hours, ${seconds.toFixed(0)} s with ${counted(threads, "thread")}`
  )
}

export const playMany = async (options: {
  readonly seeds: number
  readonly from: number
  readonly threads: number
  readonly theme: string | undefined
  readonly counts: boolean
}): Promise<number> => {
  const { from, seeds, theme } = options
  const counts = new Counts()
  const failed: Array<number> = []
  let simulatedMs = 0
  let calls = 0
  let played = 0
  const began = performance.now()
  const seconds = () => (performance.now() - began) / 1_000
  // Of a theme's seeds nobody knows the number before.
  const of = theme === undefined ? ` of ${seeds.toLocaleString("en")}` : ""
  const progress = startProgress(
    () =>
      `${seconds().toFixed(0)} s: ${played.toLocaleString("en")}${of} seeds, ${failed.length} failed`
  )
  try {
    await playSeeds({
      ...options,
      onReport: (report) => {
        played++
        counts.add(report.counts)
        simulatedMs += report.simulatedMs
        calls += report.calls
        const [first] = report.findings
        if (first === undefined) return
        failed.push(report.seed)
        if (failed.length > toldMax) return
        progress.say(`the seed ${report.seed} fails: ${toldOf(first).split("\n")[0]}`)
      }
    })
  } finally {
    progress.stop()
  }
  if (played === 0) {
    return invalid(`None of the seeds ${from} to ${from + seeds - 1} has the theme ${theme}.`)
  }
  failed.sort((a, b) => a - b)
  const isForAll = seeds >= seedsForAll && theme === undefined
  const never = isForAll ? missing(counts.byName) : []
  if (options.counts || never.length > 0) tellCounts(counts)
  if (failed.length > toldMax) {
    console.log(`${failed.length} seeds fail, and the first ${toldMax} to fail are told above.`)
  }
  const [first] = failed
  if (first !== undefined) {
    console.log(`\nThe seed ${first} is shrunk; that can take a minute.\n`)
    tellShrunk(play(planOf(first)))
  }
  const threads = Math.min(options.threads, seeds)
  const sums = { played, calls, simulatedMs, seconds: seconds(), threads, failed, never }
  console.log(`${first === undefined ? "" : "\n"}${verdictOf(sums)}`)
  return failed.length + never.length > 0 ? exitCodes.broken : exitCodes.held
}

const tellCounts = ({ byName }: Counts): void => {
  for (const name of Array.from(byName.keys()).sort()) {
    console.log(`${String(byName.get(name)).padStart(9)}  ${name}`)
  }
}
