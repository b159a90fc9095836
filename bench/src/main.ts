/**
 * `pnpm bench`: measures the engine and pgbench in alternating rounds, on a Postgres server that it
 * starts. `--short` only proves that the benchmark works; `--only pays,idle` selects the rows whose
 * names contain one of these texts; `--history 1000000` first adds that many ended tokens and
 * reservations to the tables; `--statements` also prints the time of each statement of the engine,
 * and slows the engine slightly.
 */
import { mkdir, writeFile } from "node:fs/promises"
import { parseArgs } from "node:util"
import { startPostgres } from "../../test-support/startPostgres.ts"
import { hasPgbench } from "./pgbench.ts"
import { machine, type Row, toMarkdown, toRow, toSvg } from "./report.ts"
import type { Round } from "./scenario.ts"
import { holds, hotHolds } from "./scenarios/holds.ts"
import {
  httpBalance,
  httpDates,
  httpNotModified,
  httpReserve,
  httpSeats
} from "./scenarios/http.ts"
import { hotWallet, oneRevenueAccount, pays } from "./scenarios/pays.ts"
import { joins, joinsGrown, opening, polls, pollsGrown } from "./scenarios/queue.ts"
import {
  httpJoins,
  httpJoinsGrown,
  httpPollMemory,
  httpPolls,
  httpPollsGrown
} from "./scenarios/queueHttp.ts"
import { countingStatements } from "./statements.ts"
import { openWorld } from "./world.ts"

const { values } = parseArgs({
  options: {
    short: { type: "boolean", default: false },
    history: { type: "string", default: "0" },
    statements: { type: "boolean", default: false },
    only: { type: "string" },
    rounds: { type: "string" },
    seconds: { type: "string" }
  }
})
const rounds = Number(values.rounds ?? (values.short ? 1 : 5))
const seconds = Number(values.seconds ?? (values.short ? 1 : 5))
const users = values.short ? 20_000 : 100_000
// The number of waiting users in the long queues.
const waiting = values.short ? 20_000 : 1_000_000

const scenarios = [
  holds(256, { target: 4 }),
  holds(1_024, { target: 6 }),
  hotHolds(1_024, 30_000),
  holds(1, { by: "latency", target: 2.5 }),
  pays(256, users, 4),
  oneRevenueAccount(256, users, 0.9),
  hotWallet(256, 0.8),
  joins(1_024, 10_000),
  polls(256, waiting, 10_000),
  joinsGrown(1_024, waiting),
  pollsGrown(256, waiting),
  opening(waiting, 50),
  httpReserve(256, 0.5),
  httpSeats(256, 0.5),
  httpNotModified(256, 0.7),
  httpDates(256, 0.5),
  httpBalance(256),
  httpPolls(256, waiting, 0.7),
  httpPollsGrown(256, waiting),
  httpPollMemory(256, waiting, 100),
  httpJoins(256, 0.5),
  httpJoinsGrown(256, waiting)
].filter(({ name, callers }) =>
  (values.only ?? "").split(",").some((part) => `${name}, ${callers} callers`.includes(part))
)

const log = (text: string) => console.error(text)

if (!(await hasPgbench())) {
  log("pgbench was not found: install it (Debian: postgresql-contrib) to see the ratios.")
}
log("Starting Postgres and adding rows …")
const server = await startPostgres(values.statements ? countingStatements : {})
try {
  const world = await openWorld(server)
  try {
    await world.addUsers(users)
    const history = Number(values.history)
    if (history > 0) {
      log(`Adding ${history} ended tokens and reservations …`)
      await world.addHistory(history)
    }
    const rows: Array<Row> = []
    for (const scenario of scenarios) {
      const measured: Array<Round> = []
      for (let round = 1; round <= rounds; round++) {
        const result = await scenario.round(world, {
          seconds,
          users,
          statements: values.statements
        })
        measured.push(result)
        const ours = Math.round(result.subject.perSecond)
        const theirs = Math.round(result.reference?.perSecond ?? Number.NaN) || "–"
        log(
          `${scenario.name}, ${scenario.callers} callers, round ${round}/${rounds}: ` +
            `${ours}/s, ${scenario.against} ${theirs}/s`
        )
      }
      rows.push(toRow(scenario, measured))
    }
    const [{ version } = { version: "unknown" }] = await world.query("SELECT version()")
    const result = {
      at: new Date().toISOString(),
      ...machine(),
      version,
      history,
      rounds,
      seconds,
      rows
    }
    const directory = new URL("../results/", import.meta.url)
    await mkdir(directory, { recursive: true })
    await writeFile(new URL("latest.json", directory), `${JSON.stringify(result, undefined, 2)}\n`)
    await writeFile(new URL("latest.md", directory), `${toMarkdown(rows)}\n`)
    await writeFile(new URL("latest.svg", directory), toSvg(rows))
    console.log(toMarkdown(rows))
  } finally {
    await world.close()
  }
} finally {
  await server.stop()
}
