import { Console, Effect } from "effect"
import { Command } from "effect/cli"
import { endpointFlags, eventIds, mustBeKnown, withWebhooks } from "./endpoint.ts"

export const retry = Command.make("retry", { ...endpointFlags, eventIds }, (flags) =>
  withWebhooks(flags, (webhooks, feed) =>
    Effect.gen(function* () {
      const { endpoint, eventIds } = flags
      const retried = yield* webhooks.redeliver(
        endpoint,
        eventIds.length === 0 ? undefined : eventIds
      )
      // Some of its letters may remain, if the named events are none of them.
      if (retried === 0 && (yield* webhooks.deadLetters(endpoint, { limit: 1 })).length === 0) {
        yield* mustBeKnown(feed, endpoint)
      }
      yield* Console.log(
        flags.json
          ? JSON.stringify({ endpoint, retried })
          : `Queued for another attempt by a server: ${retried} to ${endpoint}.`
      )
    })
  )
).pipe(
  Command.withShortDescription("Queue dead letters for delivery again"),
  Command.withDescription(
    "Queue dead letters of an endpoint for delivery again: those of the named events, or all. The " +
      "server that holds the lease of the endpoint delivers them. They arrive after events that are " +
      "newer than they are."
  ),
  Command.withExamples([
    { command: "boxoffice deliveries retry crm", description: "All dead letters" },
    { command: "boxoffice deliveries retry crm 4012-1 4013-2", description: "Two of them" }
  ])
)
