/** What is said of a queue to whoever operates it. */
import type { Queue, QueueMode } from "@boxoffice/core/schema"
import { settingFlags } from "./settingFlags.ts"

const modes: Record<QueueMode, string> = {
  open: "open: people join, and are let in",
  paused: "paused: nobody joins, nobody is let in, and places stay",
  draining: "draining: nobody joins, and those who wait are let in",
  closed: "closed for good: nobody joins, and who is inside goes on"
}

/** One line: how it stands. */
export const standing = ({ queueId, mode, waiting, active, settings }: Queue): string =>
  `${queueId} is ${modes[mode]}. Waiting: ${waiting}. Inside: ${active} of ${settings.maxActive}.`

/** All of it. Settings are said as they are set. */
export const described = (queue: Queue): string =>
  [
    standing(queue),
    ...(queue.opening === null ? [] : openingOf(queue.opening)),
    "Settings:",
    ...Object.entries(settingFlags).map(
      ([name, [flag]]) => `  --${flag} ${queue.settings[name as keyof Queue["settings"]]}`
    )
  ].join("\n")

const openingOf = ({
  opensAt,
  openedAt,
  commitment,
  seed,
  drawn
}: NonNullable<Queue["opening"]>): ReadonlyArray<string> =>
  openedAt === null
    ? [
        `It collects people until ${opensAt.toISOString()}, and then draws their places.`,
        `Commitment, to publish before people come: ${commitment}`
      ]
    : [
        `It opened at ${openedAt.toISOString()}, and drew the places of ${drawn}.`,
        `Commitment: ${commitment}`,
        `Seed: ${seed}`
      ]
