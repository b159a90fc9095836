import { Effect, Option } from "effect"
import { Command } from "effect/cli"
import { UsageError, yes } from "../flags.ts"
import { described } from "./format.ts"
import { opensAt, warnIfPast } from "./instant.ts"
import { operate, queueFlags } from "./operate.ts"

const now = yes("now", "Open it at once")

export const reschedule = Command.make("reschedule", { ...queueFlags, opensAt, now }, (flags) =>
  operate(
    flags,
    (queues, id) =>
      Effect.gen(function* () {
        if (flags.now !== Option.isSome(flags.opensAt)) {
          const moved = yield* queues.reschedule(id, Option.getOrNull(flags.opensAt))
          yield* warnIfPast(flags.opensAt)
          return moved
        }
        return yield* new UsageError({
          message: "When does it open? Give either --opens-at or --now."
        })
      }),
    described
  )
).pipe(
  Command.withShortDescription("Move the opening of a queue that has not opened"),
  Command.withDescription(
    "Move the opening of a queue that has not opened yet, or open it at once. The draw takes place in " +
      "either case, with the seed that the published commitment fixed. The opening of an open queue " +
      "cannot be moved."
  ),
  Command.withExamples([
    {
      command: "boxoffice queue reschedule gala --opens-at 2030-01-01T12:30:00+09:00",
      description: "Half an hour later"
    },
    { command: "boxoffice queue reschedule gala --now", description: "Open it" }
  ])
)
