import { Console, Effect } from "effect"
import { Argument, Command } from "effect/cli"
import { endpointOf } from "../../webhooks/endpoint.ts"
import { database, json, UsageError } from "../flags.ts"
import { type Deliveries, withFeed } from "./feed.ts"

const name = Argument.String("NAME").pipe(
  Argument.withDescription("The consumer, as `boxoffice events consumers` lists it")
)

/** How many deliveries one statement deletes. */
const perStatement = 1_000

const forgetAll = (deliveries: Deliveries, endpoint: string) =>
  Effect.gen(function* () {
    let total = 0
    for (;;) {
      const deleted = yield* deliveries.forget(endpoint, perStatement)
      total += deleted
      if (deleted < perStatement) return total
    }
  })

export const remove = Command.make("remove", { name, ...database, json }, (flags) =>
  withFeed(flags, (feed, deliveries) =>
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
      const removed = found !== undefined && (yield* feed.remove(consumer))
      const endpoint = endpointOf(consumer)
      // Also where the consumer is gone already: this command may have ended between the two.
      const deleted = endpoint === undefined ? 0 : yield* forgetAll(deliveries, endpoint)
      if (!removed && deleted === 0) {
        return yield* new UsageError({
          message: `There is no consumer ${JSON.stringify(consumer)}. \`boxoffice events consumers\` lists them.`
        })
      }
      yield* Console.log(
        flags.json
          ? JSON.stringify({
              consumer,
              removed: true,
              ...(endpoint !== undefined && { deliveries: deleted })
            })
          : `Removed ${consumer}. Events are no longer kept for it.` +
              (endpoint === undefined
                ? ""
                : `\nDeleted deliveries to ${endpoint}, waiting or dead: ${deleted}.`)
      )
    })
  )
).pipe(
  Command.withShortDescription("Remove a consumer, so that no events are kept for it"),
  Command.withDescription(
    "Remove a consumer that is no longer used, so that no events are kept for it. Its cursor is lost: " +
      "a consumer of the same name starts as a new one. For a webhook endpoint, also delete its deliveries, waiting or " +
      "dead. An active consumer is not removed."
  ),
  Command.withExamples([
    { command: "boxoffice events remove mailer", description: "A consumer by its name" },
    {
      command: "boxoffice events remove webhook:crm",
      description: "The consumer of a webhook endpoint"
    }
  ])
)
