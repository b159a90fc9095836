import type { ConsumerStatus } from "@boxoffice/core"
import { Console, Effect } from "effect"
import { Command } from "effect/cli"
import { columns } from "../columns.ts"
import { database, json } from "../flags.ts"
import { withFeed } from "./feed.ts"

export const consumers = Command.make("consumers", { ...database, json }, (flags) =>
  withFeed(flags, (feed) =>
    Effect.gen(function* () {
      const all = yield* feed.consumers()
      if (flags.json) return yield* Console.log(JSON.stringify({ consumers: all.map(toJson) }))
      yield* Console.log(all.length === 0 ? "There are no consumers of events." : toText(all))
    })
  )
).pipe(
  Command.withShortDescription("List consumers and how far behind they are"),
  Command.withDescription(
    "List the consumers of events, those of webhooks included: whether each is active now, how many " +
      "batches it has yet to pass, and when its cursor last moved."
  ),
  Command.withExamples([
    {
      command: "boxoffice events consumers",
      description: "Check whether a consumer has fallen behind"
    }
  ])
)

const toJson = ({ movedAt, ...consumer }: ConsumerStatus) => ({
  ...consumer,
  movedAt: new Date(movedAt).toISOString()
})

const toText = (consumers: ReadonlyArray<ConsumerStatus>): string => {
  const table = columns([
    ["consumer", "active", "behind", "moved at"],
    ...consumers.map(({ consumer, active, batchesBehind, movedAt, misplaced }) => [
      consumer,
      active ? "yes" : "no",
      misplaced ? "misplaced" : String(batchesBehind),
      new Date(movedAt).toISOString()
    ])
  ])
  return consumers.some(({ misplaced }) => misplaced)
    ? `${table}\nThe database of a misplaced consumer was restored from another server: call events.recover().`
    : table
}
