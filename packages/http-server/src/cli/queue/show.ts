import { Command } from "effect/cli"
import { described } from "./format.ts"
import { operate, queueFlags } from "./operate.ts"

export const show = Command.make("show", queueFlags, (flags) =>
  operate(flags, (queues, id) => queues.get(id), described)
).pipe(
  Command.withShortDescription("Show the mode, settings and opening of a queue"),
  Command.withDescription(
    "Show a queue: its mode, the numbers of waiting and admitted users, its settings as the flags that " +
      "set them, and its opening with the commitment to publish."
  ),
  Command.withExamples([
    { command: "boxoffice queue show gala", description: "The current mode and counts" },
    { command: "watch boxoffice queue show gala", description: "Refreshed every two seconds" }
  ])
)
