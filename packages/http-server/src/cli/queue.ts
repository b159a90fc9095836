/** Commands for queues: each one is a file in `queue/`. */
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
    "Operate the queues of a database, whether or not servers run on it. Each change writes an event " +
      "to the outbox, and every server applies it within a second."
  ),
  Command.withSubcommands([
    { group: "Inspect", commands: [list, show] },
    { group: "Operate", commands: [pause, resume, drain, close] },
    { group: "Set up", commands: [create, settings, reschedule, codes] }
  ])
)
