import { Console, Effect } from "effect"
import { Argument, Command } from "effect/cli"
import { endpointOf } from "../../webhooks/endpoint.ts"
import { database, json, UsageError } from "../flags.ts"
import { type Deliveries, onFeed } from "./feed.ts"

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
  onFeed(flags, (feed, deliveries) =>
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
          : `Removed ${consumer}. No event is kept for it any more.` +
              (endpoint === undefined
                ? ""
                : `\nDeliveries to ${endpoint} that were deleted, waiting or given up: ${deleted}.`)
      )
    })
  )
).pipe(
  Command.withShortDescription("Forget a consumer, so that no event is kept for it"),
  Command.withDescription(
    "Forget a consumer that nobody runs any more, so that no event is kept for it. Its place is lost: " +
      "one of the same name begins like a new one. Of an endpoint of webhooks, deletes the deliveries " +
      "too that wait or were given up. A consumer that is active is left alone."
  ),
  Command.withExamples([
    { command: "boxoffice events remove mailer", description: "What a consumer was called" },
    { command: "boxoffice events remove webhook:crm", description: "An endpoint of webhooks" }
  ])
)
