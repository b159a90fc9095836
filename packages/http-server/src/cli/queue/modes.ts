import type { QueueMode } from "@boxoffice/core/schema"
import { Command } from "effect/cli"
import { stateText } from "./format.ts"
import { operate, queueFlags } from "./operate.ts"

/** A command that sets a mode which can be left again. */
const command = (
  name: string,
  mode: QueueMode,
  { short, means, next }: Record<"short" | "means" | "next", string>
) =>
  Command.make(name, queueFlags, (flags) =>
    operate(
      flags,
      (queues, id) => queues.setMode(id, mode),
      (queue) => `${stateText(queue)}\nNext: \`boxoffice queue ${next} ${queue.queueId}\`.`
    )
  ).pipe(
    Command.withShortDescription(short),
    Command.withDescription(`${means} Every server knows within a second.`),
    Command.withExamples([{ command: `boxoffice queue ${name} gala`, description: short }])
  )

export const pause = command("pause", "paused", {
  short: "Let nobody join, and nobody in",
  means:
    "Let nobody join a queue, and nobody in, until it is resumed. Who waits keeps their place, and " +
    "who is inside goes on.",
  next: "resume"
})

export const resume = command("resume", "open", {
  short: "Let people join and in again",
  means: "Let people join a queue that was paused or drained, and let them in, both again.",
  next: "show"
})

export const drain = command("drain", "draining", {
  short: "Let in those who wait, and let nobody join",
  means:
    "Let nobody join a queue, and let in those who wait, until it is resumed. Who is inside goes on.",
  next: "show"
})
