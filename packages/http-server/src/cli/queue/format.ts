/** Formats a queue as text, for operators. */
import type { QueueDisplayMode, QueueInfo } from "@boxoffice/core/schema"
import { settingFlags } from "./settingFlags.ts"

const modes: Record<QueueDisplayMode, string> = {
  open: "open: users join and are admitted",
  collecting: "collecting: users join, no admissions",
  paused: "paused: no new joins, no admissions; waiting users keep their positions",
  draining: "draining: no new joins; waiting users are admitted",
  closed: "closed permanently: no new joins; admitted users continue"
}

/** One line: the mode and the counts. */
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

/** The whole queue. Settings are printed as the flags that set them. */
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
        "When it opens, the order of all users who have joined is drawn by lot.",
        `Commitment, to publish before users join: ${commitment}`
      ]
    : [
        `It opened at ${openedAt.toISOString()}; the draw had ${drawn} users.`,
        `Commitment: ${commitment}`,
        `Seed: ${seed}`
      ]
