import { Console, Effect, Schema } from "effect"
import { Command, Flag } from "effect/cli"
import { database, json } from "../flags.ts"
import { withFeed } from "./feed.ts"

const units = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const
const Age = Schema.String.check(
  Schema.isPattern(/^\d{1,6}[smhd]$/, { message: "Expected an age such as 30d, 12h, 15m or 90s" })
)
const millisecondsOf = (age: string): number =>
  Number(age.slice(0, -1)) * units[age.at(-1) as keyof typeof units]

const olderThan = Flag.String("older-than").pipe(
  Flag.withDescription("The minimum age of the events to delete: 30d, 12h, 15m or 90s"),
  Flag.withSchema(Age)
)

export const prune = Command.make("prune", { ...database, olderThan, json }, (flags) =>
  withFeed(flags, (feed) =>
    Effect.gen(function* () {
      const batches = yield* feed.prune({ olderThanMs: millisecondsOf(flags.olderThan) })
      const keeping = (yield* feed.consumers())
        .filter(({ batchesBehind, misplaced }) => misplaced || batchesBehind > 0)
        .map(({ consumer }) => consumer)
      if (flags.json) return yield* Console.log(JSON.stringify({ batches, keeping }))
      yield* Console.log(`Batches of events deleted: ${batches}.`)
      if (keeping.length === 0) return
      yield* Console.log(
        `Events are kept for consumers that have yet to pass them: ${keeping.join(", ")}. ` +
          "`boxoffice events consumers` shows how far behind they are; `boxoffice events remove NAME` " +
          "removes one that is no longer used."
      )
    })
  )
).pipe(
  Command.withShortDescription("Delete old events that every consumer has passed"),
  Command.withDescription(
    "Delete events that are older than an age and that every consumer has passed, 1,000 batches per " +
      "transaction. Servers with a sweeper do so by themselves, by BOXOFFICE_EVENT_SECONDS."
  ),
  Command.withExamples([
    { command: "boxoffice events prune --older-than 30d", description: "Keep a month" }
  ])
)
