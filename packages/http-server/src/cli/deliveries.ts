/** Commands for webhook deliveries: each one is a file in `deliveries/`. */
import { Command } from "effect/cli"
import { dead } from "./deliveries/dead.ts"
import { retry } from "./deliveries/retry.ts"

export const deliveries = Command.make("deliveries").pipe(
  Command.withDescription("Inspect and retry webhook deliveries that failed."),
  Command.withSubcommands([dead, retry])
)
