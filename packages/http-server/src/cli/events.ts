/** What was committed, and who reads it: each command is a file in `events/`. */
import { Command } from "effect/cli"
import { consumers } from "./events/consumers.ts"
import { prune } from "./events/prune.ts"
import { remove } from "./events/remove.ts"

export const events = Command.make("events").pipe(
  Command.withDescription("Look after the outbox, which holds what was committed as events."),
  Command.withSubcommands([consumers, prune, remove])
)
