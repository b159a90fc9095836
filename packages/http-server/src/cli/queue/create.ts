import type { CreatedQueue } from "@boxoffice/core"
import { Option } from "effect"
import { Command } from "effect/cli"
import { described } from "./format.ts"
import { opensAt } from "./instant.ts"
import { operate, queueFlags } from "./operate.ts"
import { given, newSettings } from "./settingFlags.ts"

export const create = Command.make("create", { ...queueFlags, opensAt, ...newSettings }, (flags) =>
  operate(
    flags,
    (queues, queueId) =>
      queues.create({
        queueId,
        settings: given(flags),
        opensAt: Option.getOrUndefined(flags.opensAt)
      }),
    toText
  )
).pipe(
  Command.withShortDescription("Make a queue, open or collecting people until it opens"),
  Command.withDescription(
    "Make a queue. It is open at once; with --opens-at it collects people until then, and draws their " +
      "places. One that is there already as the flags say stays as it is. Settings that are left out are those that BOXOFFICE_QUEUE_MAX_ACTIVE and the other " +
      "variables of a new queue say, or else the engine's. A show is behind it once it says so."
  ),
  Command.withExamples([
    {
      command: "boxoffice queue create gala --max-active 500 --admit-per-minute 1000",
      description: "Open at once"
    },
    {
      command: "boxoffice queue create gala --opens-at 2030-01-01T12:00:00+09:00",
      description: "Collect people, and draw their places; publish the commitment that it prints"
    }
  ])
)

const toText = ({ created, ...queue }: CreatedQueue): string =>
  created ? described(queue) : `Nothing to do: it is there already.\n${described(queue)}`
