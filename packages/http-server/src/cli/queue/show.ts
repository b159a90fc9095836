import { Command } from "effect/cli"
import { described } from "./format.ts"
import { operate, queueFlags } from "./operate.ts"

export const show = Command.make("show", queueFlags, (flags) =>
  operate(flags, (queues, id) => queues.get(id), described)
).pipe(
  Command.withShortDescription("Show a queue: how it stands, its settings, its opening"),
  Command.withDescription(
    "Show a queue: in which mode it is, how many wait and are inside, its settings as the flags that " +
      "set them, and its opening with the commitment to publish."
  ),
  Command.withExamples([
    { command: "boxoffice queue show gala", description: "How it stands now" },
    { command: "watch boxoffice queue show gala", description: "The same, every two seconds" }
  ])
)
