/**
 * `pnpm simulate`: a whole on-sale through the engine's public API, on a Postgres server of its own
 * (or `--url`), and a verdict from a checker that reads the database afterwards.
 */
import { parseArgs } from "node:util"
import { BoxOffice, layerOf, type PolicySettings } from "@boxoffice/core"
import { SqlStore } from "@boxoffice/sql-store"
import { PgClient } from "@effect/sql-pg"
import { Effect, Fiber, Layer, ManagedRuntime, Redacted } from "effect"
import { startPostgres } from "../../../test-support/startPostgres.ts"
import { checkInvariants } from "./checker.ts"
import { runCrowd } from "./crowd.ts"
import { makeFigures, type Sample } from "./figures.ts"
import { writeReport } from "./report.ts"
import { openSale } from "./sale.ts"

const { values } = parseArgs({
  options: {
    users: { type: "string", default: "5000" },
    seats: { type: "string", default: "2000" },
    "max-active": { type: "string" },
    "admit-per-minute": { type: "string" },
    "arrival-seconds": { type: "string" },
    "hold-seconds": { type: "string", default: "10" },
    "minutes-max": { type: "string", default: "60" },
    seed: { type: "string", default: "1" },
    url: { type: "string" },
    help: { type: "boolean", default: false }
  }
})
if (values.help) {
  console.log(`pnpm simulate [--users 5000] [--seats 2000] [--max-active N] [--admit-per-minute N]
  [--arrival-seconds N] [--hold-seconds 10] [--minutes-max 60] [--seed 1] [--url postgres://…]

Plays a whole on-sale and checks every invariant afterwards. Without --url it starts a Postgres
server of its own. The report is written to bench/results/simulation.md.`)
  process.exit(0)
}

const users = Number(values.users)
const seats = Number(values.seats)
const maxActive = Number(
  values["max-active"] ?? Math.min(1_000, Math.max(100, Math.ceil(users / 25)))
)
const admitPerMinute = Number(values["admit-per-minute"] ?? maxActive * 20)
const arrivalSeconds = Number(values["arrival-seconds"] ?? Math.max(5, users / 1_000))
const policies: Partial<PolicySettings> = { holdSeconds: Number(values["hold-seconds"]) }

const server = values.url === undefined ? await startPostgres() : undefined
const url = values.url ?? server!.url
try {
  const engine = ManagedRuntime.make(
    layerOf({
      signingKeys: { simulation: "simulation simulation simulation" },
      policies,
      sweepEvery: "1 second"
    }).pipe(Layer.provide(SqlStore.layerUrl({ url, migrate: true, maxConnections: 16 })))
  )
  const office = await engine.runPromise(BoxOffice)

  const figures = makeFigures()
  const sale = await Effect.runPromise(openSale(office, { seats, maxActive, admitPerMinute }))
  const started = performance.now()
  const elapsed = () => (performance.now() - started) / 1_000
  let soldOutAfterSeconds: number | null = null

  const watch = Effect.gen(function* () {
    const secondsMax = Number(values["minutes-max"]) * 60
    while (figures.sold < seats && elapsed() < secondsMax) {
      yield* Effect.sleep("1 second")
      const queue = yield* office.queue.get(sale.queueId)
      show(figures.sample(Math.round(elapsed()), queue))
    }
    if (figures.sold >= seats) soldOutAfterSeconds = elapsed()
  })
  await Effect.runPromise(
    Effect.gen(function* () {
      const crowd = yield* Effect.forkChild(
        runCrowd(office, sale, figures, {
          users,
          arrivalSeconds,
          thinkSeconds: 1,
          seed: Number(values.seed)
        })
      )
      // The crowd goes home when the last seat is sold, or nobody is left to buy.
      yield* Effect.raceFirst(watch, Fiber.join(crowd))
      yield* Fiber.interrupt(crowd)
    })
  )
  const seconds = elapsed()
  process.stderr.write("\nChecking …\n")
  // What was in flight when the crowd was sent home comes to its end before anything is counted.
  await engine.dispose()
  const database = ManagedRuntime.make(
    PgClient.layer({ url: Redacted.make(url), maxConnections: 1 })
  )
  const query = (statement: string) =>
    database.runPromise(
      Effect.flatMap(PgClient.PgClient, (sql) =>
        sql.unsafe<Readonly<Record<string, unknown>>>(statement)
      )
    )
  const checks = await checkInvariants({
    query,
    maxActive,
    admitPerMinute,
    acknowledged: figures.paymentIds,
    seen: [...figures.violations, ...figures.failures.keys()]
  })
  const run = {
    users,
    seats,
    maxActive,
    admitPerMinute,
    seconds,
    soldOutAfterSeconds,
    figures,
    checks
  }
  console.log(await writeReport(run))
  const wrong = checks.filter(({ violations }) => violations > 0)
  console.log(wrong.length === 0 ? "Verdict: every invariant holds." : "Verdict: VIOLATED.")
  if (wrong.length > 0) process.exitCode = 1
  await database.dispose()
} finally {
  await server?.stop()
}

function show({ second, sold, waiting, active, rates }: Sample): void {
  const filled = Math.round((sold / seats) * 24)
  const bar = "█".repeat(filled) + "░".repeat(24 - filled)
  const line =
    `${String(second).padStart(4)} s ${bar} ${sold}/${seats} sold, ${waiting} waiting, ${active} in | ` +
    `join ${rates.join} poll ${rates.poll} look ${rates.look} hold ${rates.hold} pay ${rates.pay} /s`
  // A terminal shows one line that moves; a log gets one now and then.
  if (process.stderr.isTTY) process.stderr.write(`\r${line.padEnd(process.stderr.columns - 1)}`)
  else if (second % 5 === 0) process.stderr.write(`${line}\n`)
}
