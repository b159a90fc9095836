/** What operators, and users who have just joined, are shown of a queue's rows. */

import type { Rows } from "../engine/Rows.ts"
import type { QueueId, TokenId } from "../Ids.ts"
import { commitmentOf } from "./lottery.ts"
import type {
  Queue,
  QueueNotice,
  QueueOpening,
  QueueRow,
  QueueStanding,
  QueueTokenStatus,
  TokenRow
} from "./model.ts"
import { isCollecting, lineOf, placeOf, waitingIn } from "./position.ts"
import { leastWait, queueTokenStatus, tokenStateAt, waitingStatus } from "./status.ts"

/** The seed is told once it can do no harm. */
const toOpening = ({ opening, drawn }: QueueRow): QueueOpening | null => {
  if (opening === null) return null
  const { seed, opensAt, openedAt } = opening
  return {
    opensAt: new Date(opensAt),
    commitment: commitmentOf(seed),
    seed: openedAt === null ? null : seed,
    drawn: openedAt === null ? null : Number(drawn),
    openedAt: openedAt === null ? null : new Date(openedAt)
  }
}

/** Follows from the opening: it is stored nowhere else, and ends with it. */
const standingOf = (row: QueueRow): QueueStanding =>
  row.mode === "open" && isCollecting(row) ? "collecting" : row.mode

export const toQueueNotice = (row: QueueRow): QueueNotice => ({
  queueId: row.queueId,
  mode: standingOf(row),
  opening: toOpening(row)
})

/** A queue as it stands among the rows of a batch; who has lapsed there is not inside any more. */
export const queueAmong = (rows: Rows, queueId: QueueId): Queue => {
  const row = rows.queues.get(queueId)!
  let lapsed = 0
  for (const token of rows.tokens.values()) {
    const isInside = token.queueId === queueId && token.state === "admitted"
    if (isInside && tokenStateAt(token, rows.now) === "expired") lapsed++
  }
  return toQueue({ ...row, active: row.active - lapsed })
}

export const toQueue = (row: QueueRow): Queue => ({
  ...toQueueNotice(row),
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
  if (lane === "general" && isCollecting(queue)) return { ...untilOpening(0), position: 0 }
  const isNew = rows.tokens.added.has(tokenId)
  const known = isNew ? undefined : recall(token)
  if (known !== undefined) return known
  const ahead = isNew
    ? rows.ahead(token)
    : Number(placeOf(queue, lane, number) - 1n - lineOf(queue, lane).cursor)
  if (isCollecting(queue)) return untilOpening(ahead)
  const waitSeconds = leastWait(ahead, queue.settings.admitPerMinute)
  return waitingStatus(token, { ahead, estimatedWait: null, waitSeconds, now: rows.now })
}
