/** What is said of a queue to whoever operates it. */
import type { QueueDisplayMode, QueueInfo } from "@boxoffice/core/schema"
import { settingFlags } from "./settingFlags.ts"

const modes: Record<QueueDisplayMode, string> = {
  open: "open: people join, and are let in",
  collecting: "collecting: people join, and nobody is let in",
  paused: "paused: nobody joins, nobody is let in, and places stay",
  draining: "draining: nobody joins, and those who wait are let in",
  closed: "closed for good: nobody joins, and who is inside goes on"
}

/** One line: how it stands. */
export const stateText = ({
  queueId,
  mode,
  waiting,
  active,
  settings,
  opening
}: QueueInfo): string => {
  const isToOpen = opening !== null && opening.openedAt === null && mode !== "closed"
  const opens = isToOpen ? ` It opens at ${opening.opensAt.toISOString()}.` : ""
  return `${queueId} is ${modes[mode]}.${opens} Waiting: ${waiting}. Inside: ${active} of ${settings.maxActive}.`
}

/** All of it. Settings are said as they are set. */
export const described = (queue: QueueInfo): string =>
  [
    stateText(queue),
    ...(queue.opening === null ? [] : openingOf(queue.opening)),
    "Settings:",
    ...Object.entries(settingFlags).map(
      ([name, [flag]]) => `  --${flag} ${queue.settings[name as keyof QueueInfo["settings"]]}`
    )
  ].join("\n")

const openingOf = ({
  openedAt,
  commitment,
  seed,
  drawn
}: NonNullable<QueueInfo["opening"]>): ReadonlyArray<string> =>
  openedAt === null
    ? [
        "When it opens, it draws the places of all who have joined.",
        `Commitment, to publish before people come: ${commitment}`
      ]
    : [
        `It opened at ${openedAt.toISOString()}, and drew the places of ${drawn}.`,
        `Commitment: ${commitment}`,
        `Seed: ${seed}`
      ]
