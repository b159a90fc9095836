/**
 * A place in line as JSON text: what its schema gives, in a fortieth of the time. A million who
 * wait ask twice a minute each; next to nothing else of a poll costs as much as the schema would.
 */
import type { JoinedQueue, QueueTokenStatus } from "@boxoffice/core"

export const statusJson = (status: QueueTokenStatus): string => {
  const { queueId, state, position, ahead, estimatedWait, pollAfterSeconds } = status
  const { admittedAt, expiresAt, asOf, opensAt } = status
  const wait =
    estimatedWait === null
      ? "null"
      : `{"p50Seconds":${estimatedWait.p50Seconds},"p90Seconds":${estimatedWait.p90Seconds}}`
  return (
    `{"queueId":${JSON.stringify(queueId)},"state":"${state}",` +
    `"position":${position},"ahead":${ahead},"estimatedWait":${wait},` +
    `"pollAfterSeconds":${pollAfterSeconds},` +
    `"admittedAt":${admittedAt === null ? "null" : instant(admittedAt)},` +
    `"expiresAt":${expiresAt === null ? "null" : instant(expiresAt)}` +
    (asOf === undefined ? "" : `,"asOf":${instant(asOf)}`) +
    (opensAt === undefined ? "" : `,"opensAt":${instant(opensAt)}`) +
    "}"
  )
}

/** The answer to joining, in the same way. */
export const joinedJson = (joined: JoinedQueue): string =>
  `${statusJson(joined).slice(0, -1)},"token":${JSON.stringify(joined.token)}}`

// All polls of a second are as of the same instant.
let lastAt = Number.NaN
let lastText = ""
const instant = (at: Date): string => {
  const ms = at.getTime()
  if (ms !== lastAt) {
    lastText = JSON.stringify(at.toISOString())
    lastAt = ms
  }
  return lastText
}
