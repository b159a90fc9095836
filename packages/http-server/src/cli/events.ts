/** Commands for the outbox and its consumers: each one is a file in `events/`. */
import { Command } from "effect/cli"
import { consumers } from "./events/consumers.ts"
import { prune } from "./events/prune.ts"
import { remove } from "./events/remove.ts"

export const events = Command.make("events").pipe(
  Command.withDescription(
    "Inspect the outbox of committed events and its consumers, and delete old events."
  ),
  Command.withSubcommands([consumers, prune, remove])
)
