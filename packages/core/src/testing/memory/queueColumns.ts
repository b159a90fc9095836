/** What statements read of a queue beside its row. */

import type { QueueRow, TokenRow } from "../../queue/model.ts"
import { isPreOpening, placeOf } from "../../queue/position.ts"
import {
  absentAfterSeconds,
  numbersPerBlock,
  presencePeriodSeconds,
  wasSeen
} from "../../queue/presence.ts"
import type { Statement } from "../database/Statement.ts"
import type { StoredGrant, StoredQueue, StoredToken } from "./rows.ts"
import { keyOf, laneKey, type Schema } from "./schema.ts"

const minuteMs = 60_000

/** A stored queue with the counts of a batch, or of a reading. */
export const queueRow = (
  queue: StoredQueue,
  counts: Pick<QueueRow, "active" | "admittedLastMinute">
): QueueRow => ({
  ...queue,
  headsLoadedTo: queue.cursor,
  priority: { ...queue.priority, headsLoadedTo: queue.priority.cursor },
  ...counts
})

/**
 * Admissions of the last minute. If the clock has stepped back by more than a minute, the counts from
 * before that step are ignored.
 */
export const grantsOfLastMinute = (
  statement: Statement,
  { grant }: Schema,
  queueId: string,
  now: number
): ReadonlyArray<StoredGrant> => {
  const second = Math.floor(now / 1_000)
  return statement
    .find(grant, "byQueue", queueId)
    .map(({ row }) => row)
    .filter((row) => Math.abs(row.second - second) <= 60 && row.grantedAt > now - minuteMs)
}

export const admittedLastMinute = (
  statement: Statement,
  schema: Schema,
  queueId: string,
  now: number
): number => sum(grantsOfLastMinute(statement, schema, queueId, now), ({ admitted }) => admitted)

/** How many users have left a queue whom its row still counts as active. */
export const exitsOf = (statement: Statement, { exit }: Schema, queueId: string): number =>
  sum(statement.find(exit, "byQueue", queueId), ({ row }) => row.exits)

export const lapsedTokens = (
  statement: Statement,
  { token }: Schema,
  queueId: string,
  now: number
) =>
  statement
    .find(token, "admitted", queueId)
    .filter(({ row }) => row.expiresAt! <= now)
    .sort((a, b) => a.row.expiresAt! - b.row.expiresAt!)

/** Whether nodes have flushed presence marks throughout the time after which a user is absent. */
export const isPresenceKept = (
  statement: Statement,
  { presence }: Schema,
  { queueId, settings }: StoredQueue,
  now: number
): boolean => {
  if (settings.absenceSeconds === 0) return false
  const absentAfter = absentAfterSeconds(settings.absenceSeconds)
  const minutes = new Set<number>()
  for (const { row } of statement.find(presence, "byQueue", queueId)) {
    if (row.seenUntil > now - absentAfter * 1_000) minutes.add(row.seenUntil)
  }
  return minutes.size >= Math.floor(absentAfter / presencePeriodSeconds)
}

/** When a waiting user was last seen, in queues that skip absent users. */
export const seenUntil = (
  statement: Statement,
  { presence }: Schema,
  token: StoredToken,
  queue: StoredQueue
): number | undefined => {
  if (token.state !== "waiting" || queue.settings.absenceSeconds === 0) return undefined
  const number = Number(token.number)
  const key = keyOf(token.queueId, token.lane, Math.floor(number / numbersPerBlock))
  const seen = statement
    .find(presence, "byBlock", key)
    .filter(({ row }) => wasSeen(row.seen, number))
    .map(({ row }) => row.seenUntil)
  return seen.length === 0 ? undefined : Math.max(...seen)
}

/**
 * How many users wait in front of a waiting token: the numbers between it and the cursor, without
 * those that left; the place of a drawn token is computed.
 */
export const aheadOf = (
  statement: Statement,
  { departure }: Schema,
  token: StoredToken,
  queue: StoredQueue
): number => {
  const { lane, number } = token
  if (lane === "general" && queue.opening !== null) {
    if (isPreOpening(queue)) return 0
    if (number <= queue.drawSize) {
      return Math.max(0, Number(placeOf(queue, lane, number) - 1n - queue.cursor))
    }
  }
  const cursor = lane === "general" ? queue.cursor : queue.priority.cursor
  const from = lane === "general" && queue.drawSize > cursor ? queue.drawSize : cursor
  const gone = statement
    .find(departure, "byLane", laneKey(token))
    .filter(({ row }) => row.number < number && row.number > from)
  return Number(number - 1n - cursor) - gone.length
}

export const tokenRow = (token: StoredToken, queue: StoredQueue): TokenRow => ({
  ...token,
  settings: queue.settings
})

export const sum = <A>(rows: Iterable<A>, count: (row: A) => number): number => {
  let total = 0
  for (const row of rows) total += count(row)
  return total
}
