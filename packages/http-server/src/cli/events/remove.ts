import { Console, Effect } from "effect"
import { Argument, Command } from "effect/cli"
import { database, json, UsageError } from "../flags.ts"
import { withFeed } from "./feed.ts"

const name = Argument.String("NAME").pipe(
  Argument.withDescription("The consumer, as `boxoffice events consumers` lists it")
)

export const remove = Command.make("remove", { name, ...database, json }, (flags) =>
  withFeed(flags, (feed) =>
    Effect.gen(function* () {
      const { name: consumer } = flags
      const found = (yield* feed.consumers()).find((known) => known.consumer === consumer)
      if (found?.active) {
        return yield* new UsageError({
          message:
            `${consumer} is active, and would start again as a new consumer. Stop it first; one that ` +
            "crashed counts as active until its lease expires, half a minute by default."
        })
      }
      if (found === undefined || !(yield* feed.remove(consumer))) {
        return yield* new UsageError({
          message: `There is no consumer ${JSON.stringify(consumer)}. \`boxoffice events consumers\` lists them.`
        })
      }
      yield* Console.log(
        flags.json
          ? JSON.stringify({ consumer, removed: true })
          : `Removed ${consumer}. Events are no longer kept for it.`
      )
    })
  )
).pipe(
  Command.withShortDescription("Remove a consumer, so that no events are kept for it"),
  Command.withDescription(
    "Remove a consumer that is no longer used, so that no events are kept for it. Its cursor is lost: " +
      "a consumer of the same name starts as a new one. An active consumer is not removed."
  ),
  Command.withExamples([
    { command: "boxoffice events remove mailer", description: "A consumer by its name" },
    {
      command: "boxoffice events remove webhook:crm",
      description: "The consumer of a webhook endpoint"
    }
  ])
)
