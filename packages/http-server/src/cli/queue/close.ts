import { Effect } from "effect"
import { Command } from "effect/cli"
import { UsageError, yes } from "../flags.ts"
import { stateText } from "./format.ts"
import { operate, queueFlags } from "./operate.ts"

const losing = (waiting: number): string =>
  waiting === 1 ? "1 waiting user loses their token" : `${waiting} waiting users lose their tokens`

const sure = yes("yes", "Confirm: a closed queue cannot be opened again")

export const close = Command.make("close", { ...queueFlags, yes: sure }, (flags) =>
  operate(
    flags,
    (queues, id) =>
      Effect.gen(function* () {
        if (flags.yes) return yield* queues.setMode(id, "closed")
        const { waiting } = yield* queues.get(id)
        return yield* new UsageError({
          message:
            `Closing ${id} is permanent, and ${losing(waiting)}. ` +
            `Confirm with \`boxoffice queue close ${id} --yes\`; \`boxoffice queue drain ${id}\` ` +
            "admits them first."
        })
      }),
    stateText
  )
).pipe(
  Command.withShortDescription("Close a queue permanently"),
  Command.withDescription(
    "Close a queue permanently: no new joins, the tokens of waiting users expire, and admitted users " +
      "continue. Requires --yes, since a closed queue cannot be opened again. Every server applies it " +
      "within a second."
  ),
  Command.withExamples([
    {
      command: "boxoffice queue close gala",
      description: "Print how many waiting users would lose their tokens"
    },
    { command: "boxoffice queue close gala --yes", description: "Close it" }
  ])
)
