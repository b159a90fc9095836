import type { CreatedQueue } from "@boxoffice/core"
import { Effect, Option } from "effect"
import { Command } from "effect/cli"
import { described } from "./format.ts"
import { opensAt, warnIfPast } from "./instant.ts"
import { operate, queueFlags } from "./operate.ts"
import { given, newSettings } from "./settingFlags.ts"

export const create = Command.make("create", { ...queueFlags, opensAt, ...newSettings }, (flags) =>
  operate(
    flags,
    (queues, queueId) =>
      queues
        .create({
          queueId,
          settings: given(flags),
          opensAt: Option.getOrUndefined(flags.opensAt)
        })
        .pipe(Effect.tap(({ created }) => (created ? warnIfPast(flags.opensAt) : Effect.void))),
    toText
  )
).pipe(
  Command.withShortDescription("Create a queue, open at once or at an instant"),
  Command.withDescription(
    "Create a queue. It is open at once; with --opens-at, users can join but are not admitted until " +
      "then, and their order is drawn by lot. An identical queue that exists already stays as it is. " +
      "Omitted settings come from BOXOFFICE_QUEUE_MAX_ACTIVE and the other variables of a new queue, " +
      "or else from the engine's defaults. A show uses the queue if the show names it."
  ),
  Command.withExamples([
    {
      command: "boxoffice queue create gala --max-active 500 --admit-per-minute 1000",
      description: "Open at once"
    },
    {
      command: "boxoffice queue create gala --opens-at 2030-01-01T12:00:00+09:00",
      description: "Open later, with a draw; publish the commitment that it prints"
    }
  ])
)

const toText = ({ created, ...queue }: CreatedQueue): string =>
  created ? described(queue) : `Nothing to do: the queue exists already.\n${described(queue)}`
