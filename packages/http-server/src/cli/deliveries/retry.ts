import { Console, Effect } from "effect"
import { Command } from "effect/cli"
import { endpointFlags, eventIds, withWebhooks } from "./endpoint.ts"

export const retry = Command.make("retry", { ...endpointFlags, eventIds }, (flags) =>
  withWebhooks(flags, (webhooks) =>
    Effect.gen(function* () {
      const { endpoint, eventIds } = flags
      const retried = yield* webhooks.redeliver(
        endpoint,
        eventIds.length === 0 ? undefined : eventIds
      )
      yield* Console.log(
        flags.json
          ? JSON.stringify({ endpoint, retried })
          : `Deliveries to ${endpoint} that a server tries anew: ${retried}.`
      )
    })
  )
).pipe(
  Command.withShortDescription("Let deliveries that were given up be tried anew"),
  Command.withDescription(
    "Let dead letters of an endpoint be tried anew, by whichever server delivers to it: those of the " +
      "events that are named, or all. They come behind what is newer than they are."
  ),
  Command.withExamples([
    { command: "boxoffice deliveries retry crm", description: "All of them" },
    { command: "boxoffice deliveries retry crm 4012-1 4013-2", description: "These two" }
  ])
)
