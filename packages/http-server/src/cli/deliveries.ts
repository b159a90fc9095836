/** What became of webhooks: each command is a file in `deliveries/`. */
import { Command } from "effect/cli"
import { dead } from "./deliveries/dead.ts"
import { retry } from "./deliveries/retry.ts"

export const deliveries = Command.make("deliveries").pipe(
  Command.withDescription("Look after webhooks that their endpoints did not accept."),
  Command.withSubcommands([dead, retry])
)
