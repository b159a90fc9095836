import type { DeadLetter } from "@boxoffice/core"
import { Console, Effect, Schema } from "effect"
import { Command, Flag } from "effect/cli"
import type { Webhooks } from "../../webhooks/webhooks.ts"
import { columns } from "../columns.ts"
import { endpointFlags, mustBeKnown, withWebhooks } from "./endpoint.ts"

const limit = Flag.Int("limit").pipe(
  Flag.withDescription("The maximum number of dead letters to list; default 200"),
  Flag.withSchema(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 10_000 }))),
  Flag.withDefault(200)
)

export const dead = Command.make("dead", { ...endpointFlags, limit }, (flags) =>
  withWebhooks(flags, (webhooks, feed) =>
    Effect.gen(function* () {
      const { endpoint } = flags
      const letters = yield* readDeadLetters(webhooks, endpoint, flags.limit)
      if (letters.length === 0) yield* mustBeKnown(feed, endpoint)
      if (flags.json) {
        const deadLetters = letters.map(toJson)
        return yield* Console.log(JSON.stringify({ endpoint, deadLetters }))
      }
      yield* Console.log(
        letters.length === 0
          ? `${endpoint} has no dead letters.`
          : `${inColumns(letters)}\nNext: \`boxoffice deliveries retry ${endpoint}\`, once the endpoint works again.`
      )
    })
  )
).pipe(
  Command.withShortDescription("List dead letters"),
  Command.withDescription(
    "List the dead letters of an endpoint: deliveries that failed at every attempt that the endpoint " +
      "is configured for. The longest parked come first."
  ),
  Command.withExamples([
    {
      command: "boxoffice deliveries dead crm",
      description: "The failed deliveries, with the last response of each"
    },
    {
      command: "boxoffice deliveries dead crm --json | jq -r '.deadLetters[].body'",
      description: "The bodies that were sent"
    }
  ])
)

const pageMax = 200

const readDeadLetters = (webhooks: Webhooks["Service"], endpoint: string, most: number) =>
  Effect.gen(function* () {
    const letters: Array<DeadLetter> = []
    for (;;) {
      const limit = Math.min(pageMax, most - letters.length)
      if (limit === 0) return letters
      const after = letters.at(-1)?.deliveryId
      const page = yield* webhooks.deadLetters(endpoint, { after, limit })
      letters.push(...page)
      if (page.length < limit) return letters
    }
  })

const toJson = ({ eventId, aggregate, attempts, error, parkedAt, body }: DeadLetter) => ({
  ...{ eventId, aggregate, attempts, error, body },
  parkedAt: new Date(parkedAt).toISOString()
})

const inColumns = (letters: ReadonlyArray<DeadLetter>): string =>
  columns([
    ["event", "of", "attempts", "parked at", "last response"],
    ...letters.map(({ eventId, aggregate, attempts, error, parkedAt }) => [
      eventId,
      aggregate,
      String(attempts),
      new Date(parkedAt).toISOString(),
      error
    ])
  ])
