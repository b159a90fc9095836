/** Who may join a queue, leave it, and be let in. Pure: rows in, events or a refusal out. */
import { Result } from "effect"
import type { QueueEvent, QueueTokenAdmitted, QueueTokenLapsed } from "../Events.ts"
import type { QueueId, TokenId, UserId } from "../Ids.ts"
import { askAdmission } from "../policies/ask.ts"
import type { PolicyRules } from "../policies/rules.ts"
import type { Rows } from "../Rows.ts"
import { QueueClosed, QueueNotFound } from "./errors.ts"
import type { TokenRow } from "./model.ts"
import { tokenStateAt } from "./status.ts"

export interface Join {
  readonly queueId: QueueId
  readonly userId: UserId
  /** What a new token will be called. */
  readonly tokenId: TokenId
}

/** The user's token that is waiting or admitted in a queue, if there is one. */
export const liveToken = (rows: Rows, queueId: QueueId, userId: UserId): TokenRow | undefined => {
  for (const token of rows.tokensOf(queueId, userId)) {
    const state = tokenStateAt(token, rows.now)
    if (state === "waiting" || state === "admitted") return token
  }
  return undefined
}

const named = ({ tokenId, queueId, userId }: TokenRow, at: number) => ({
  tokenId,
  queueId,
  userId,
  at
})

/** One live token a user and queue: joining again changes nothing. */
export const decideJoin = (
  rows: Rows,
  join: Join
): Result.Result<ReadonlyArray<QueueEvent>, QueueNotFound | QueueClosed> => {
  const queue = rows.queues.get(join.queueId)
  if (queue === undefined) return Result.fail(new QueueNotFound())
  if (liveToken(rows, join.queueId, join.userId) !== undefined) return Result.succeed([])
  if (queue.mode !== "open") return Result.fail(new QueueClosed({ mode: queue.mode }))
  return Result.succeed([
    {
      _tag: "QueueTokenIssued",
      tokenId: join.tokenId,
      queueId: join.queueId,
      userId: join.userId,
      number: queue.nextNumber,
      at: rows.now
    }
  ])
}

/** Leaving ends a token that is still alive; it is no error to leave twice. */
export const decideLeave = (rows: Rows, tokenId: TokenId): ReadonlyArray<QueueEvent> => {
  const token = rows.tokens.get(tokenId)
  if (token === undefined) return []
  const state = tokenStateAt(token, rows.now)
  if (state !== "waiting" && state !== "admitted") return []
  return [{ _tag: "QueueTokenLeft", ...named(token, rows.now) }]
}

/** Ends the admitted tokens of a queue that have lapsed, those that were loaded. */
export const decideExpiries = (rows: Rows, queueId: QueueId): ReadonlyArray<QueueTokenLapsed> => {
  const events: Array<QueueTokenLapsed> = []
  for (const token of rows.tokens.values()) {
    if (token.queueId !== queueId || token.state !== "admitted") continue
    if (tokenStateAt(token, rows.now) === "expired") {
      events.push({ _tag: "QueueTokenLapsed", ...named(token, rows.now) })
    }
  }
  return events
}

/**
 * Lets in whoever is next, first come first served, while both limits leave room.
 *
 * `present` are those who will hear of it at once: their session begins. The others have the claim
 * window to show up in. A paused queue lets nobody in; a draining one empties its line. The host's
 * policy can let in fewer than there is room for.
 */
export const decideAdmissions = (
  rows: Rows,
  queueId: QueueId,
  present: ReadonlySet<TokenId>,
  policies: Pick<PolicyRules, "admission"> = {}
): ReadonlyArray<QueueTokenAdmitted> => {
  const queue = rows.queues.get(queueId)
  if (queue === undefined || queue.mode === "paused") return []
  const { maxActive, admitPerMinute, claimSeconds, sessionSeconds } = queue.settings
  const room = Math.min(maxActive - queue.active, admitPerMinute - queue.admittedLastMinute)
  if (room <= 0) return []
  const inLine = Array.from(rows.tokens.values())
    .filter((token) => token.queueId === queueId && token.state === "waiting")
    .sort((a, b) => (a.number < b.number ? -1 : 1))
  if (inLine.length === 0) return []
  const { settings, active, admittedLastMinute, waiting } = queue
  const counts = { active, admittedLastMinute, waiting, room, now: new Date(rows.now) }
  const asked = askAdmission(policies, { queueId, settings: { ...settings }, ...counts })
  // Where the policy cannot say, nobody: everything else in the queue goes on.
  const most = Result.isSuccess(asked) ? asked.success : 0
  const admitted: Array<QueueTokenAdmitted> = []
  for (const token of inLine.slice(0, most)) {
    // Not everyone in line was loaded: stop at the first who has somebody unknown in front.
    if (rows.ahead(token) !== admitted.length) break
    const claimed = present.has(token.tokenId)
    admitted.push({
      _tag: "QueueTokenAdmitted",
      ...named(token, rows.now),
      claimed,
      expiresAt: rows.now + (claimed ? sessionSeconds : claimSeconds) * 1_000
    })
  }
  return admitted
}
