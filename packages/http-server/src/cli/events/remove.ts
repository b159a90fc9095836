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
            `Somebody consumes as ${consumer} now, and would begin anew. Stop it first; one that ` +
            "crashed counts as active until its lease is over, half a minute by default."
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
          : `Removed ${consumer}. No event is kept for it any more.`
      )
    })
  )
).pipe(
  Command.withShortDescription("Forget a consumer, so that no event is kept for it"),
  Command.withDescription(
    "Forget a consumer that nobody runs any more, so that no event is kept for it. Its place is lost: " +
      "one of the same name begins like a new one. A consumer that is active is left alone."
  ),
  Command.withExamples([
    { command: "boxoffice events remove mailer", description: "What a consumer was called" },
    { command: "boxoffice events remove webhook:crm", description: "An endpoint of webhooks" }
  ])
)
