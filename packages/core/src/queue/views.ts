/** Converts the rows of a queue to what operators, clients and users who just joined are shown. */

import type { Rows } from "../engine/Rows.ts"
import type { QueueId, TokenId } from "../Ids.ts"
import { commitmentOf } from "./lottery.ts"
import type {
  PublicQueueInfo,
  QueueDisplayMode,
  QueueInfo,
  QueueOpening,
  QueueRow,
  QueueTokenStatus,
  TokenRow
} from "./model.ts"
import { isPreOpening, laneRow, placeOf, waitingIn } from "./position.ts"
import { minWaitSeconds, queueTokenStatus, tokenStateAt, waitingStatus } from "./status.ts"

/** The seed stays `null` until the queue has opened: before, it would let a user steer the draw. */
const toOpening = ({ opening, drawSize }: QueueRow): QueueOpening | null => {
  if (opening === null) return null
  const { seed, opensAt, openedAt } = opening
  return {
    opensAt: new Date(opensAt),
    commitment: commitmentOf(seed),
    seed: openedAt === null ? null : seed,
    drawn: openedAt === null ? null : Number(drawSize),
    openedAt: openedAt === null ? null : new Date(openedAt)
  }
}

/** `collecting` follows from the opening and is not stored: it ends once the queue has opened. */
const displayModeOf = (row: QueueRow): QueueDisplayMode =>
  row.mode === "open" && isPreOpening(row) ? "collecting" : row.mode

export const toPublicQueueInfo = (row: QueueRow): PublicQueueInfo => ({
  queueId: row.queueId,
  mode: displayModeOf(row),
  opening: toOpening(row)
})

/** A queue by the rows of a batch. Lapsed tokens do not count as active. */
export const queueInfoIn = (rows: Rows, queueId: QueueId): QueueInfo => {
  const row = rows.queues.get(queueId)!
  let lapsed = 0
  for (const token of rows.tokens.values()) {
    const isInside = token.queueId === queueId && token.state === "admitted"
    if (isInside && tokenStateAt(token, rows.now) === "expired") lapsed++
  }
  return toQueueInfo({ ...row, active: row.active - lapsed })
}

export const toQueueInfo = (row: QueueRow): QueueInfo => ({
  ...toPublicQueueInfo(row),
  settings: row.settings,
  waiting: waitingIn(row),
  active: row.active
})

/**
 * The status of a user's live token in the reply to a join. For a token from an earlier join,
 * `lastKnownStatus` gives the status from the node's snapshot; if there is none, the position is an
 * upper bound, since it counts tokens that have left.
 */
export const joinedStatus = (
  rows: Rows,
  tokenId: TokenId,
  lastKnownStatus: (token: TokenRow) => QueueTokenStatus | undefined
): QueueTokenStatus => {
  const token = rows.tokens.get(tokenId)!
  if (token.state !== "waiting") return queueTokenStatus(token, 0, rows.now)
  const { lane, number } = token
  const queue = rows.queues.get(token.queueId)!
  const untilOpening = (ahead: number) => {
    const opensAt = new Date(queue.opening!.opensAt)
    const waitSeconds = Math.max(0, (opensAt.getTime() - rows.now) / 1_000)
    const place = { ahead, estimatedWait: null, waitSeconds, now: rows.now }
    return { ...waitingStatus(token, place), opensAt }
  }
  if (lane === "general" && isPreOpening(queue)) return { ...untilOpening(0), position: 0 }
  const isNew = rows.tokens.added.has(tokenId)
  const known = isNew ? undefined : lastKnownStatus(token)
  if (known !== undefined) return known
  const ahead = isNew
    ? rows.ahead(token)
    : Number(placeOf(queue, lane, number) - 1n - laneRow(queue, lane).cursor)
  if (isPreOpening(queue)) return untilOpening(ahead)
  const waitSeconds = minWaitSeconds(ahead, queue.settings.admitPerMinute)
  return waitingStatus(token, { ahead, estimatedWait: null, waitSeconds, now: rows.now })
}
