/** What operators do to queues: each command is a file in `queue/`. */
import { Command } from "effect/cli"
import { close } from "./queue/close.ts"
import { codes } from "./queue/codes.ts"
import { create } from "./queue/create.ts"
import { list } from "./queue/list.ts"
import { drain, pause, resume } from "./queue/modes.ts"
import { reschedule } from "./queue/reschedule.ts"
import { settings } from "./queue/settings.ts"
import { show } from "./queue/show.ts"

export const queue = Command.make("queue").pipe(
  Command.withDescription(
    "Operate the queues of a database, while servers run on it or while none does. What is changed " +
      "leaves an event in the outbox, and every server knows of it within a second."
  ),
  Command.withSubcommands([
    { group: "Look", commands: [list, show] },
    { group: "Run", commands: [pause, resume, drain, close] },
    { group: "Set up", commands: [create, settings, reschedule, codes] }
  ])
)
