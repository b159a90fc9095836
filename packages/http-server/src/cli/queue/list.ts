import type { Queue } from "@boxoffice/core"
import type { QueueInfo } from "@boxoffice/core/schema"
import { Console, Effect } from "effect"
import { Command } from "effect/cli"
import { columns } from "../columns.ts"
import { database, json } from "../flags.ts"
import { toJson, withQueues } from "./operate.ts"

export const list = Command.make("list", { ...database, json }, (flags) =>
  withQueues(flags, (queues, schema) =>
    Effect.gen(function* () {
      const all = yield* allQueues(queues)
      if (flags.json)
        return yield* Console.log(JSON.stringify({ queues: all.map((queue) => toJson(queue)) }))
      yield* Console.log(
        all.length === 0
          ? `There is no queue in the schema ${schema}. \`boxoffice queue create ID\` creates one.`
          : inColumns(all)
      )
    })
  )
).pipe(
  Command.withShortDescription("List the queues with their counts"),
  Command.withDescription(
    "List the queues by id: the mode, the number of waiting users, and the number of admitted users."
  ),
  Command.withExamples([
    { command: "boxoffice queue list", description: "The queues of the database of DATABASE_URL" },
    {
      command: "boxoffice queue list --json | jq '.queues[] | select(.waiting > 0)'",
      description: "Queues with waiting users, for a script"
    }
  ])
)

const pageSize = 200

const allQueues = (queues: Queue["Service"]) =>
  Effect.gen(function* () {
    const all: Array<QueueInfo> = []
    let after: string | undefined
    do {
      const { items, next } = yield* queues.list({ limit: pageSize, after })
      all.push(...items)
      after = next ?? undefined
    } while (after !== undefined)
    return all
  })

const inColumns = (queues: ReadonlyArray<QueueInfo>): string =>
  columns([
    ["queue", "mode", "waiting", "inside", "opens at"],
    ...queues.map(({ queueId, mode, waiting, active, settings, opening }) => [
      queueId,
      mode,
      String(waiting),
      `${active} of ${settings.maxActive}`,
      opening === null || opening.openedAt !== null ? "" : opening.opensAt.toISOString()
    ])
  ])
