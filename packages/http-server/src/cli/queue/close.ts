import { Effect } from "effect"
import { Command } from "effect/cli"
import { UsageError, yes } from "../flags.ts"
import { stateText } from "./format.ts"
import { operate, queueFlags } from "./operate.ts"

const sure = yes("yes", "Do close it: it cannot be opened again")

export const close = Command.make("close", { ...queueFlags, yes: sure }, (flags) =>
  operate(
    flags,
    (queues, id) =>
      Effect.gen(function* () {
        if (flags.yes) return yield* queues.setMode(id, "closed")
        const { waiting } = yield* queues.get(id)
        return yield* new UsageError({
          message:
            `Closing ${id} is for good, and ${waiting} who wait lose their place. ` +
            `\`boxoffice queue close ${id} --yes\` does it; \`boxoffice queue drain ${id}\` lets ` +
            "them in first."
        })
      }),
    stateText
  )
).pipe(
  Command.withShortDescription("Close a queue for good"),
  Command.withDescription(
    "Close a queue for good. Nobody joins, whoever waits has waited in vain and is told so, and who " +
      "is inside goes on. It asks for --yes, since a closed queue stays closed. Every server knows " +
      "within a second."
  ),
  Command.withExamples([
    { command: "boxoffice queue close gala", description: "See what it would cost" },
    { command: "boxoffice queue close gala --yes", description: "Close it" }
  ])
)
