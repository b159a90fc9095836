import { type Cleared, clearEnded, defaultPolicies, Policies } from "@boxoffice/core"
import { Config, Console, Effect, Layer, Option } from "effect"
import { Command } from "effect/cli"
import { columns } from "./columns.ts"
import { database, databaseOf, json, UsageError } from "./flags.ts"
import { layerStore } from "./office.ts"
import { retentionOf, retentionVariables } from "./retention.ts"

export const clear = Command.make("clear", { ...database, json }, (flags) =>
  Effect.gen(function* () {
    const { url, schema } = yield* databaseOf(flags)
    const policies = { ...defaultPolicies, ...(yield* retention) }
    const cleared = yield* Effect.provide(clearAll, [
      layerStore(url, schema),
      Layer.succeed(Policies, policies)
    ])
    yield* Console.log(flags.json ? JSON.stringify(cleared) : toText(cleared))
  })
).pipe(
  Command.withDescription(
    "Delete rows that are past their retention: ended queue tokens and reservations, the recorded " +
      "responses of idempotency keys, events that every consumer has passed, and dead letters of " +
      "webhooks. The environment sets each retention, as for `serve`, which does the same once a " +
      "minute. Paid reservations and the ledger are never deleted."
  ),
  Command.withExamples([
    {
      command: "boxoffice clear",
      description: "With the retention of the environment, or the defaults"
    },
    {
      command: "BOXOFFICE_EVENT_SECONDS=604800 boxoffice clear --json",
      description: "Also delete events older than a week, and print the counts as JSON"
    }
  ])
)

/** The retention settings. An invalid one is refused before anything is deleted. */
const retention = Effect.gen(function* () {
  const given = new Map<string, string>()
  for (const name of retentionVariables) {
    const value = yield* Effect.orDie(Config.option(Config.String(name)))
    if (Option.isSome(value) && value.value !== "") given.set(name, value.value)
  }
  const { retention, problems } = retentionOf((name) => given.get(name))
  if (problems.length > 0) return yield* new UsageError({ message: problems.join("\n") })
  return retention
})

const kinds = ["tokens", "reservations", "outcomes", "events", "deadLetters"] as const

/** Repeats bounded rounds until one deletes nothing. */
const clearAll = Effect.gen(function* () {
  const total: Record<keyof Cleared, number> = {
    tokens: 0,
    reservations: 0,
    outcomes: 0,
    events: 0,
    deadLetters: 0
  }
  for (;;) {
    const round = yield* clearEnded
    for (const kind of kinds) total[kind] += round[kind]
    if (kinds.every((kind) => round[kind] === 0)) return total
  }
})

const toText = (cleared: Cleared): string =>
  columns([
    ["deleted", "how many"],
    ["queue tokens", String(cleared.tokens)],
    ["reservations", String(cleared.reservations)],
    ["answers to idempotency keys", String(cleared.outcomes)],
    ["batches of events", String(cleared.events)],
    ["webhooks that were given up", String(cleared.deadLetters)]
  ])
