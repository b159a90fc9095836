/**
 * `pnpm reliability stryker`: mutates the deciders by Stryker (each operator, condition, text and
 * block), and prints the share that their own tests kill. Each decider runs its own tests alone: a
 * test that kills a mutant of it by chance specifies nothing.
 */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { Stryker } from "@stryker-mutator/core"
import { amount, invalid, wholeNumber } from "../arguments.ts"
import { counted, exitCodes, usageOf } from "../usage.ts"
import { root } from "./guards.ts"

const usage = usageOf(
  "stryker",
  `Mutates the deciders of core, and prints the score of each file. Takes about a second a mutant, and there
are about 1,400.`,
  [
    ["--only TEXT", "only deciders whose path contains this"],
    ["--concurrency N", "default 1"],
    ["--min PERCENT", "fails below this score of a file. Default 80"]
  ]
)

/** The deciders of \`packages/core/src\`, and the tests that say what they decide. */
const deciders: Readonly<Record<string, ReadonlyArray<string>>> = {
  "Money.ts": ["json", "money", "walletAndPayments"],
  "catalog/decide.ts": ["catalogService"],
  "engine/evolve.ts": ["money", "queue", "reservation", "rows"],
  "gate/decide.ts": ["gate"],
  "payment/decide.ts": ["money", "policies"],
  "queue/decide.ts": ["policies", "queue"],
  "queue/evolve.ts": ["queue", "queueEvolve", "rows"],
  "queue/lottery.ts": ["lottery"],
  "queue/operate.ts": ["queue"],
  "queue/position.ts": ["LiveQueue", "queue"],
  "reservation/decide.ts": ["policies", "reservation"],
  "reservation/evolve.ts": ["money", "reservation", "rows"],
  "wallet/decide.ts": ["money", "policies"],
  "wallet/evolve.ts": ["money", "rows"]
}

export const run = async (args: ReadonlyArray<string>): Promise<number> => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: "string", default: "" },
      concurrency: { type: "string", default: "1" },
      min: { type: "string", default: "80" },
      help: { type: "boolean", default: false }
    }
  })
  if (values.help) {
    console.log(usage)
    return exitCodes.held
  }
  const least = amount("min", values.min, 100)
  const concurrency = wholeNumber("concurrency", values.concurrency)
  const chosen = Object.entries(deciders).filter(([file]) => file.includes(values.only))
  if (chosen.length === 0) {
    const names = Object.keys(deciders).join(", ")
    invalid(`No decider's path contains "${values.only}". There are ${names}.`)
  }
  const scores: Array<readonly [file: string, score: Score]> = []
  for (const [file, tests] of chosen) {
    // Read by the configuration of vitest, in Stryker's own processes.
    process.env.DECIDER_TESTS = tests.join(",")
    const results = await new Stryker({
      ...JSON.parse(readFileSync(join(root, "reliability/stryker.config.json"), "utf8")),
      mutate: [`packages/core/src/${file}`],
      concurrency
    }).runMutationTest()
    scores.push([file, scoreOf(results)])
  }
  console.log("\n decider                     score  killed  timed out  survived  not covered")
  for (const [file, score] of scores) console.log(lineOf(file, score))
  // A file without a mutant has no score.
  const below = scores.filter(([, { percent }]) => !(percent >= least)).map(([file]) => file)
  console.log(
    below.length === 0
      ? `\nEach of ${counted(scores.length, "decider")} has a score of ${least} % or more.`
      : `\nFAILED: below ${least} %: ${below.join(", ")}`
  )
  return below.length === 0 ? exitCodes.held : exitCodes.broken
}

type Results = Awaited<ReturnType<Stryker["runMutationTest"]>>
type Score = ReturnType<typeof scoreOf>

const scoreOf = (results: Results) => {
  const count = (wanted: Results[number]["status"]) =>
    results.filter(({ status }) => status === wanted).length
  const [killed, timedOut] = [count("Killed"), count("Timeout")]
  const [survived, uncovered] = [count("Survived"), count("NoCoverage")]
  const percent = (100 * (killed + timedOut)) / (killed + timedOut + survived + uncovered)
  return { percent, killed, timedOut, survived, uncovered }
}

const lineOf = (file: string, { percent, killed, timedOut, survived, uncovered }: Score): string =>
  ` ${file.padEnd(24)} ${percent.toFixed(1).padStart(8)} ${String(killed).padStart(7)} ` +
  `${String(timedOut).padStart(10)} ${String(survived).padStart(9)} ${String(uncovered).padStart(12)}`
