import type { QueueMode } from "@boxoffice/core/schema"
import { Command } from "effect/cli"
import { stateText } from "./format.ts"
import { operate, queueFlags } from "./operate.ts"

/** A command that sets a mode that the operator can change again. */
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
    Command.withDescription(`${means} Every server applies it within a second.`),
    Command.withExamples([{ command: `boxoffice queue ${name} gala`, description: short }])
  )

export const pause = command("pause", "paused", {
  short: "Pause: no new joins, no admissions",
  means:
    "Pause a queue: no new joins and no admissions until it is resumed. Waiting users keep their " +
    "positions, and admitted users continue.",
  next: "resume"
})

export const resume = command("resume", "open", {
  short: "Resume joins and admissions",
  means: "Resume a paused or draining queue: users can join and are admitted again.",
  next: "show"
})

export const drain = command("drain", "draining", {
  short: "Drain: admit waiting users, no new joins",
  means:
    "Drain a queue: no new joins, and waiting users are admitted, until it is resumed. Admitted users " +
    "continue.",
  next: "show"
})
