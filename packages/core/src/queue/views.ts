/** What operators, and users who have just joined, are shown of a queue's rows. */

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
import { isPreOpening, laneRow, positionOf, waitingIn } from "./position.ts"
import { minWaitSeconds, queueTokenStatus, tokenStateAt, waitingStatus } from "./status.ts"

/** The seed is told once it can do no harm. */
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

/** Follows from the opening: it is stored nowhere else, and ends with it. */
const displayModeOf = (row: QueueRow): QueueDisplayMode =>
  row.mode === "open" && isPreOpening(row) ? "collecting" : row.mode

export const toPublicQueueInfo = (row: QueueRow): PublicQueueInfo => ({
  queueId: row.queueId,
  mode: displayModeOf(row),
  opening: toOpening(row)
})

/** A queue as it stands among the rows of a batch; who has lapsed there is not inside any more. */
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
 * What the owner of a live token is told by the batch that they joined with. `recall` says what is
 * known of one who had joined before; without it, the place is the last that it can be.
 */
export const joinedStatus = (
  rows: Rows,
  tokenId: TokenId,
  recall: (token: TokenRow) => QueueTokenStatus | undefined
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
  const known = isNew ? undefined : recall(token)
  if (known !== undefined) return known
  const ahead = isNew
    ? rows.ahead(token)
    : Number(positionOf(queue, lane, number) - 1n - laneRow(queue, lane).cursor)
  if (isPreOpening(queue)) return untilOpening(ahead)
  const waitSeconds = minWaitSeconds(ahead, queue.settings.admitPerMinute)
  return waitingStatus(token, { ahead, estimatedWait: null, waitSeconds, now: rows.now })
}
