import { Effect } from "effect"
import { Command } from "effect/cli"
import { UsageError } from "../flags.ts"
import { described } from "./format.ts"
import { operate, queueFlags } from "./operate.ts"
import { settings as flags, given } from "./settingFlags.ts"

export const settings = Command.make("settings", { ...queueFlags, ...flags }, (flags) =>
  operate(
    flags,
    (queues, id) =>
      Effect.gen(function* () {
        const change = given(flags)
        if (Object.keys(change).length > 0) return yield* queues.configure(id, change)
        return yield* new UsageError({
          message:
            "Which settings? Give at least one, such as --max-active 500. " +
            `\`boxoffice queue show ${id}\` shows the current ones.`
        })
      }),
    described
  )
).pipe(
  Command.withShortDescription("Change settings while the queue runs"),
  Command.withDescription(
    "Change settings of a queue, from the next admission on; omitted settings stay as they are. A " +
      "lower limit ends no session: admissions stop until there is room. Every server applies it " +
      "within a second."
  ),
  Command.withExamples([
    {
      command: "boxoffice queue settings gala --max-active 800 --admit-per-minute 2000",
      description: "Admit more users"
    }
  ])
)
