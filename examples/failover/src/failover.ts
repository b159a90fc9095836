/** The command of the test: see `--help`. */
import { parseArgs } from "node:util"
import { faults as allFaults, type Fault, killings } from "./faults.ts"
import { installPackages } from "./packages.ts"
import { table } from "./report.ts"
import { runFailovers } from "./run.ts"

const help = `Kills the leader of a cluster of three databases, again and again, under load.

  --times N       how often; default 20
  --ttl SECONDS   of the leader's key; default 5
  --loop-wait, --retry-timeout   default: from the ttl
  --faults a,b    of ${allFaults.join(", ")}; by default all but the last, in turn
  --asynchronous  without synchronous replication, to see what is lost then
  --logs PATH     a directory for the logs of every process

Ends with 1 if anything acknowledged is lost, or any other promise was broken.`

/** Patroni wants loop_wait + 2 * retry_timeout <= ttl. */
const timesOf = (ttl: number) => {
  const loopWait = ttl >= 30 ? 10 : Math.max(1, Math.floor(ttl / 4))
  return { loopWait, retryTimeout: Math.max(1, Math.floor((ttl - loopWait) / 2)) }
}

/** Returns the exit code. */
export const run = async (args: ReadonlyArray<string>): Promise<number> => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      times: { type: "string", default: "20" },
      ttl: { type: "string", default: "5" },
      "loop-wait": { type: "string" },
      "retry-timeout": { type: "string" },
      faults: { type: "string", default: killings.join(",") },
      asynchronous: { type: "boolean", default: false },
      logs: { type: "string" },
      help: { type: "boolean", default: false }
    }
  })
  const print = (line: string) => console.log(line)
  if (values.help) {
    print(help)
    return 0
  }
  const ttl = Number(values.ttl)
  const usual = timesOf(ttl)
  const loopWait = Number(values["loop-wait"] ?? usual.loopWait)
  const retryTimeout = Number(values["retry-timeout"] ?? usual.retryTimeout)
  const times = Number(values.times)
  const faults = values.faults.split(",") as ReadonlyArray<Fault>
  const wrong = [ttl, loopWait, retryTimeout, times].some(
    (each) => !Number.isInteger(each) || each < 1
  )
  if (wrong || faults.some((each) => !allFaults.includes(each))) {
    console.error(help)
    return 64
  }
  if (loopWait + 2 * retryTimeout > ttl) {
    console.error("loop-wait + 2 * retry-timeout must not be more than ttl")
    return 64
  }
  const obstacle = installPackages(print)
  if (obstacle !== undefined) {
    console.error(`The cluster cannot start: ${obstacle}`)
    return 1
  }
  const synchronous = !values.asynchronous
  print(
    `ttl ${ttl} s, loop_wait ${loopWait} s, retry_timeout ${retryTimeout} s, ${synchronous ? "synchronous" : "asynchronous"}`
  )
  const outcome = await runFailovers({
    ttl,
    loopWait,
    retryTimeout,
    synchronous,
    times,
    faults,
    logs: values.logs,
    print
  })
  print(`\nSeconds: the median and, in brackets, the worst.\n\n${table(outcome.rounds)}\n`)
  for (const [what, count] of Object.entries(outcome.counts)) print(`${what}: ${count}`)
  const wrongs = [...outcome.differences, ...outcome.faults]
  for (const line of wrongs.slice(0, 50)) print(`  ${line}`)
  print(
    wrongs.length === 0 ? "\nEvery promise was kept." : `\n${wrongs.length} promises were broken.`
  )
  return wrongs.length === 0 ? 0 : 1
}

if (import.meta.main) {
  // What runs then is ended by the exit of this process.
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130))
  process.exitCode = await run(process.argv.slice(2))
}
