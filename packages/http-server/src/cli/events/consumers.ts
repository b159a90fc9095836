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
      yield* Console.log(all.length === 0 ? "Nobody consumes events." : toText(all))
    })
  )
).pipe(
  Command.withShortDescription("List who consumes events, and how far behind they are"),
  Command.withDescription(
    "List the consumers of events, those of webhooks included: whether somebody consumes as each " +
      "now, how many batches it has yet to pass, and when it moved last."
  ),
  Command.withExamples([
    { command: "boxoffice events consumers", description: "Whether anybody has fallen behind" }
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
    ? `${table}\nWhat is misplaced was restored from another server: call events.recover().`
    : table
}
