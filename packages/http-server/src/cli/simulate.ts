import { Migrator } from "@boxoffice/sql-store"
import { Console, Effect, Option, Schema } from "effect"
import { Command, Flag } from "effect/cli"
import { NegativeResult } from "./exit.ts"
import { database, json, schemaOf, urlOf, yes } from "./flags.ts"
import type { Sample } from "./simulate/figures.ts"
import { toJson, toMarkdown, writeReport } from "./simulate/report.ts"
import { simulate as runSimulation } from "./simulate/run.ts"

const whole = (name: string, from: number, to: number, description: string) =>
  Flag.Int(name).pipe(
    Flag.withDescription(description),
    Flag.withSchema(Schema.Int.check(Schema.isBetween({ minimum: from, maximum: to })))
  )

const flags = {
  url: database.url,
  // Not BOXOFFICE_SCHEMA: that schema has the real tables.
  schema: Flag.String("schema").pipe(
    Flag.withDescription(
      "The schema of the simulation: a new one, or one of an earlier simulation; default boxoffice_simulation"
    ),
    Flag.withDefault("boxoffice_simulation")
  ),
  users: whole("users", 1, 1_000_000, "The number of users; default 1,000").pipe(
    Flag.withDefault(1_000)
  ),
  seats: whole("seats", 1, 100_000, "The number of seats; default 400").pipe(Flag.withDefault(400)),
  maxActive: whole(
    "max-active",
    1,
    1_000_000,
    "The maximum number of admitted users at a time; default a tenth of the seats, from 100 to 500"
  ).pipe(Flag.optional),
  admitPerMinute: whole(
    "admit-per-minute",
    1,
    10_000_000,
    "The maximum number of admissions per minute; default 20 times --max-active"
  ).pipe(Flag.optional),
  arrivalSeconds: whole(
    "arrival-seconds",
    1,
    86_400,
    "The time within which all users arrive; default a second per 5,000 users, at least 5"
  ).pipe(Flag.optional),
  holdSeconds: whole("hold-seconds", 1, 86_400, "How long a hold lasts; default 10").pipe(
    Flag.withDefault(10)
  ),
  minutesMax: whole("minutes-max", 1, 1_440, "The sale closes after this long; default 60").pipe(
    Flag.withDefault(60)
  ),
  seed: whole("seed", 0, 4_294_967_295, "The same seed makes the same choices; default 1").pipe(
    Flag.withDefault(1)
  ),
  report: Flag.String("report").pipe(
    Flag.withDescription("A directory for the report and its plots"),
    Flag.optional
  ),
  keep: yes("keep", "Keep the schema for inspection"),
  json
}

export const simulate = Command.make("simulate", flags, (flags) =>
  Effect.gen(function* () {
    const { users, seats } = flags
    const schema = yield* schemaOf(Option.some(flags.schema))
    const maxActive = Option.getOrElse(flags.maxActive, () =>
      Math.min(500, Math.max(100, Math.ceil(seats / 10)))
    )
    const run = yield* Effect.provide(
      runSimulation({
        schema,
        keep: flags.keep,
        users,
        seats,
        maxActive,
        admitPerMinute: Option.getOrElse(flags.admitPerMinute, () => maxActive * 20),
        arrivalSeconds: Option.getOrElse(flags.arrivalSeconds, () =>
          Math.max(5, Math.round(users / 5_000))
        ),
        holdSeconds: flags.holdSeconds,
        secondsMax: flags.minutesMax * 60,
        seed: flags.seed,
        onSample: (sample) => show(sample, seats)
      }),
      yield* clientOf(flags.url)
    )
    if (process.stderr.isTTY) process.stderr.write("\n")
    if (Option.isSome(flags.report)) {
      const directory = flags.report.value
      yield* Effect.promise(() => writeReport(run, directory))
    }
    const holds = run.checks.every(({ violations }) => violations === 0)
    if (flags.json) yield* Console.log(JSON.stringify(toJson(run)))
    else {
      yield* Console.log(toMarkdown(run))
      yield* Console.log(holds ? "Verdict: every invariant holds." : "Verdict: VIOLATED.")
    }
    if (!holds) return yield* new NegativeResult()
  })
).pipe(
  Command.withDescription(
    "Simulate users who join, wait, read the seat map, compete for seats, and pay or leave, through the " +
      "engine's own API; then read the database and report whether every invariant holds. Without a " +
      "database it runs on an embedded Postgres. On yours it creates a schema for the simulation, " +
      "removes it afterwards, and touches no other. Ends with 2 if an invariant is violated."
  ),
  Command.withExamples([
    {
      command: "boxoffice simulate",
      description: "1,000 users and 400 seats on an embedded Postgres"
    },
    {
      command: "boxoffice simulate --users 100000 --seats 20000 --report ./report",
      description: "A large on-sale on the database of DATABASE_URL, with plots"
    }
  ])
)

const clientOf = (url: (typeof flags)["url"] extends Flag.Flag<infer A> ? A : never) =>
  Effect.gen(function* () {
    const given = yield* urlOf(url)
    if (Option.isSome(given)) return Migrator.layerUrl(given.value, { prepared: true })
    yield* Console.error("Starting an embedded Postgres ...")
    // Load PGlite only if it is used: loading takes a while.
    const { layerPglite } = yield* Effect.promise(() => import("@boxoffice/sql-store/pglite"))
    return layerPglite()
  })

/**
 * Prints progress: on a terminal as one line that is overwritten, in a log as a line now and then.
 */
const show = ({ second, sold, waiting, active, rates }: Sample, seats: number): void => {
  const filled = Math.round((sold / seats) * 24)
  const bar = "█".repeat(filled) + "░".repeat(24 - filled)
  const line =
    `${String(second).padStart(4)} s ${bar} ${sold}/${seats} sold, ${waiting} waiting, ${active} in | ` +
    `join ${rates.join} poll ${rates.poll} look ${rates.look} hold ${rates.hold} pay ${rates.pay} /s`
  if (process.stderr.isTTY) process.stderr.write(`\r${line.padEnd(process.stderr.columns - 1)}`)
  else if (second % 5 === 0) process.stderr.write(`${line}\n`)
}
