import { Invariants, Migrator } from "@boxoffice/sql-store"
import { Console, Effect } from "effect"
import { Command } from "effect/cli"
import { columns } from "./columns.ts"
import { NegativeResult } from "./exit.ts"
import { database, databaseOf, json } from "./flags.ts"

export const verify = Command.make("verify", { ...database, json }, (flags) =>
  Effect.gen(function* () {
    const { url, schema } = yield* databaseOf(flags)
    const checks = yield* Effect.provide(
      Effect.andThen(Migrator.verify({ schema }), Invariants.check({ schema })),
      Migrator.layerUrl(url)
    )
    const holds = checks.every(({ violations }) => violations === 0)
    yield* Console.log(flags.json ? JSON.stringify({ schema, holds, checks }) : toText(checks))
    if (!holds) return yield* new NegativeResult()
  })
).pipe(
  Command.withDescription(
    "Read the tables and count violations of each invariant: that the ledger sums to zero, that a sold " +
      "seat has one owner who paid, that no user overtook another. It changes nothing, takes no locks, " +
      "and can run beside servers; but it reads whole tables, so prefer a replica. Ends with 2 if an " +
      "invariant is violated."
  ),
  Command.withExamples([
    { command: "boxoffice verify", description: "Check the database of DATABASE_URL" },
    { command: "boxoffice verify --json", description: "As JSON, for a monitoring job" }
  ])
)

const toText = (checks: ReadonlyArray<Invariants.Check>): string => {
  const broken = checks.filter(({ violations }) => violations > 0).length
  const table = columns([
    ["invariant", "violations", "means"],
    ...checks.map(({ invariant, meaning, violations }) => [invariant, String(violations), meaning])
  ])
  const answer = broken === 0 ? "Every invariant holds." : `Broken: ${broken} of ${checks.length}.`
  return `${table}\n${answer}`
}
