/** Rules of a queue: joining, leaving, admission. Pure: rows in, events or a refusal out. */
import { Result } from "effect"
import type {
  QueueEvent,
  QueueOpened,
  QueueTokenAdmitted,
  QueueTokenLapsed,
  QueueTokenLeft
} from "../Events.ts"
import type { Rows } from "../engine/Rows.ts"
import type { QueueId, TokenId, UserId } from "../Ids.ts"
import { askAdmission } from "../policies/evaluate.ts"
import type { PolicyOptions } from "../policies/rules.ts"
import type { QueueTokenPayload } from "../token/format.ts"
import { QueueClosed, QueueCodeInvalid, QueueNotFound, QueueTokenInvalid } from "./errors.ts"
import type { QueueLane, QueueRow, TokenRow } from "./model.ts"
import { isPreOpening, laneRow, nextLane, placeOf, waitingIn } from "./position.ts"
import { absentAfterSeconds } from "./presence.ts"
import { tokenStateAt } from "./status.ts"

export interface Join {
  readonly queueId: QueueId
  readonly userId: UserId
  /** The id of the new token, if the user gets one. */
  readonly tokenId: TokenId
  /** The digest of the code that the user gave. */
  readonly codeHash?: string | undefined
}

/** The user's token that is waiting or admitted in a queue, if there is one. */
export const liveToken = (rows: Rows, queueId: QueueId, userId: UserId): TokenRow | undefined => {
  for (const token of rows.tokensOf(queueId, userId)) {
    const state = tokenStateAt(token, rows.now)
    if (state === "waiting" || state === "admitted") return token
  }
  return undefined
}

/** The fields that all events of a token share. */
const tokenFields = ({ tokenId, queueId, userId }: TokenRow, at: number) => ({
  tokenId,
  queueId,
  userId,
  at
})

type JoinRefusal = QueueNotFound | QueueClosed | QueueCodeInvalid

/**
 * A user has one live token per queue, so joining again changes nothing. A valid code puts the
 * token into the priority lane, which uses the code once.
 */
export const decideJoin = (
  rows: Rows,
  join: Join
): Result.Result<ReadonlyArray<QueueEvent>, JoinRefusal> => {
  const queue = rows.queues.get(join.queueId)
  if (queue === undefined) return Result.fail(new QueueNotFound())
  const live = liveToken(rows, join.queueId, join.userId)
  // Tokens that wait in a closed queue have expired, so the join is refused.
  // Guard join-once: without it, queue.test "again while" fails.
  if (live !== undefined && !(queue.mode === "closed" && live.state === "waiting")) {
    return Result.succeed([])
  }
  // Guard join-open: without it, queue.test "refuses a " fails.
  if (queue.mode !== "open") return Result.fail(new QueueClosed({ mode: queue.mode }))
  const issued = {
    _tag: "QueueTokenIssued" as const,
    tokenId: join.tokenId,
    queueId: join.queueId,
    userId: join.userId,
    number: queue.nextNumber,
    at: rows.now
  }
  const { codeHash } = join
  if (codeHash === undefined) return Result.succeed([issued])
  const code = rows.code(join.queueId, codeHash)
  // Guard code-uses: without " || code.usesLeft <= 0", queue.test "that is used up" fails.
  if (code === undefined || code.usesLeft <= 0) return Result.fail(new QueueCodeInvalid())
  const { nextNumber: number } = queue.priority
  return Result.succeed([{ ...issued, number, lane: "priority", codeHash }])
}

/**
 * Leaving ends a live token; leaving twice is no error. A genuine queue token may still name a row
 * of another user or queue, such as after a restore of the database: that row stays as it is.
 */
export const decideLeave = (
  rows: Rows,
  payload: Pick<QueueTokenPayload, "tokenId" | "userId" | "queueId">
): Result.Result<ReadonlyArray<QueueTokenLeft>, QueueTokenInvalid> => {
  const token = rows.tokens.get(payload.tokenId)
  // Guard leave-own: with "!token" for "token?…payload.userId", queue.test "refuses the queue token" fails.
  if (token?.userId !== payload.userId || token.queueId !== payload.queueId) {
    return Result.fail(new QueueTokenInvalid())
  }
  const state = tokenStateAt(token, rows.now)
  // Guard leave-once: without it, queue.test "changes nothing once" fails.
  if (state !== "waiting" && state !== "admitted") return Result.succeed([])
  return Result.succeed([{ _tag: "QueueTokenLeft", ...tokenFields(token, rows.now) }])
}

/** Ends the lapsed admitted tokens of a queue, as far as they were loaded. */
export const decideExpiries = (rows: Rows, queueId: QueueId): ReadonlyArray<QueueTokenLapsed> => {
  const events: Array<QueueTokenLapsed> = []
  for (const token of rows.tokens.values()) {
    // Guard expiries-of-queue: without "token.queueId !== queueId || ", queue.test "ends exactly" fails.
    if (token.queueId !== queueId || token.state !== "admitted") continue
    // Guard expiries-lapsed: with "true" for `tokenStateAt(…"expired"`, queue.test "ends exactly" fails.
    if (tokenStateAt(token, rows.now) === "expired") {
      const unclaimed = token.claimed ? {} : { unclaimed: true as const }
      events.push({ _tag: "QueueTokenLapsed", ...tokenFields(token, rows.now), ...unclaimed })
    }
  }
  return events
}

/** Ends the waiting tokens of a closed queue, as far as they were loaded. */
export const decideClosing = (rows: Rows, queueId: QueueId): ReadonlyArray<QueueTokenLapsed> => {
  if (rows.queues.get(queueId)?.mode !== "closed") return []
  const waiting = Array.from(rows.tokens.values()).filter(
    // Guard closing-of-queue: without "token.queueId === queueId && ", queue.test "and no others" fails.
    (token) => token.queueId === queueId && token.state === "waiting"
  )
  return waiting.map((token) => ({
    _tag: "QueueTokenLapsed",
    ...tokenFields(token, rows.now),
    closed: true
  }))
}

/** Opens a queue that is due. The event fixes the draw: its seed, and how many take part. */
export const decideOpening = (rows: Rows, queueId: QueueId): ReadonlyArray<QueueOpened> => {
  const queue = rows.queues.get(queueId)
  // Guard opening-once: without " || !isPreOpening(queue)", queue.test "happens once" fails.
  if (queue === undefined || queue.opening === null || !isPreOpening(queue)) return []
  // Guard opening-closed: without it, queue.test "once the queue is closed" fails.
  if (queue.mode === "closed") return []
  const { opensAt, seed } = queue.opening
  // Guard opening-in-time: without it, queue.test "at that very instant" fails.
  if (opensAt > rows.now) return []
  return [{ _tag: "QueueOpened", queueId, seed, drawn: queue.nextNumber - 1n, at: rows.now }]
}

/** How many users may be admitted now: what both limits leave, or 0 if the queue does not run. */
export const roomIn = (
  queue: Pick<QueueRow, "mode" | "opening" | "settings" | "active" | "admittedLastMinute">
): number => {
  // Guard admit-running: without `queue.mode === "paused" || `, queue.test "no user while paused" fails.
  if (queue.mode === "paused" || queue.mode === "closed" || isPreOpening(queue)) return 0
  const { maxActive, admitPerMinute } = queue.settings
  // Guard admit-rate: with "Math.max(" for "Math.min(", queue.test "no more than admitPerMinute" fails.
  return Math.max(0, Math.min(maxActive - queue.active, admitPerMinute - queue.admittedLastMinute))
}

/** Whether a batch without a command has something to do: open the queue, admit or end tokens. */
export const isDue = (queue: QueueRow, now: number): boolean => {
  if (queue.mode === "closed") return waitingIn(queue) > 0
  if (isPreOpening(queue)) return queue.opening!.opensAt <= now
  return waitingIn(queue) > 0 && roomIn(queue) > 0
}

/**
 * Admits the next tokens in line while both limits leave room: each lane in the order of its
 * places, and the lanes in turn by the priority share.
 *
 * `online` are the tokens of users who wait for this batch's replies: their session begins at once.
 * Other users have the claim window to show up in. A user who was absent for too long loses the
 * token instead, unless this node has a presence mark of theirs that it has yet to flush
 * (`hasPolled`). A paused queue admits no users; a draining one goes on admitting. The host's
 * admission policy can admit fewer than there is room for.
 */
export const decideAdmissions = (
  rows: Rows,
  queueId: QueueId,
  online: ReadonlySet<TokenId>,
  policies: Pick<PolicyOptions, "admission"> &
    Partial<Pick<PolicyOptions, "staleIfStoreDownMs">> = {},
  hasPolled: (token: TokenRow) => boolean = () => false
): ReadonlyArray<QueueTokenAdmitted | QueueTokenLeft> => {
  const queue = rows.queues.get(queueId)
  if (queue === undefined) return []
  let room = roomIn(queue)
  if (room <= 0) return []
  const heads = {
    general: headsOf(rows, queue, "general"),
    priority: headsOf(rows, queue, "priority")
  }
  if (heads.general.length + heads.priority.length === 0) return []
  // All waiting tokens, loaded or not. If the next one was not loaded, admission stops there, and
  // the next batch goes on.
  const waitingOf = (lane: QueueLane): number => {
    const { waiting, headsLoadedTo, nextNumber } = laneRow(queue, lane)
    // If all were loaded, their own count is exact, and the one in the queue row need not be.
    return headsLoadedTo >= nextNumber - 1n ? heads[lane].length : waiting
  }
  const waiting = { general: waitingOf("general"), priority: waitingOf("priority") }
  const { settings, active, admittedLastMinute } = queue
  const counts = { active, admittedLastMinute, waiting: waitingIn(queue), room }
  const now = new Date(rows.now)
  const asked = askAdmission(policies, { queueId, settings: { ...settings }, ...counts, now })
  // If the policy fails, no user is admitted, so that a faulty policy never admits too many. The
  // other commands of the batch go on.
  // Guard admission-failed: with ": room" for ": 0", policies.test ", which admits" fails.
  room = Result.isSuccess(asked) ? asked.success : 0
  const taken = { general: 0, priority: 0 }
  const { claimSeconds, sessionSeconds, prioritySharePercent } = settings
  const decided: Array<QueueTokenAdmitted | QueueTokenLeft> = []
  let { laneCredit } = queue
  while (room > 0) {
    const hasWaiting = {
      general: taken.general < waiting.general,
      priority: taken.priority < waiting.priority
    }
    if (!hasWaiting.general && !hasWaiting.priority) break
    const next = nextLane(hasWaiting, laneCredit, prioritySharePercent)
    const token = heads[next.lane][taken[next.lane]]
    // Guard admit-loaded: without it, queue.test "if the next one there was not loaded" fails.
    if (token === undefined) break
    taken[next.lane]++
    const claimed = online.has(token.tokenId)
    if (
      // Guard absent-unless-online: without it, queue.test "for an online user" fails.
      !claimed &&
      // Guard absent-unless-polled: without it, queue.test "yet to flush" fails.
      !hasPolled(token) &&
      isAbsent(queue, token, rows.now, policies.staleIfStoreDownMs)
    ) {
      decided.push({ _tag: "QueueTokenLeft", ...tokenFields(token, rows.now), away: true })
      continue
    }
    laneCredit = next.credit
    room--
    decided.push({
      _tag: "QueueTokenAdmitted",
      ...tokenFields(token, rows.now),
      claimed,
      expiresAt: rows.now + (claimed ? sessionSeconds : claimSeconds) * 1_000
    })
  }
  return decided
}

/**
 * Whether the user of the next token has not polled for longer than the queue waits for them. The
 * time counts from the last presence mark, the join or the opening of the queue, whichever is
 * latest.
 */
const isAbsent = (
  { settings, presenceKept, opening }: QueueRow,
  { joinedAt, seenUntil }: TokenRow,
  now: number,
  staleIfStoreDownMs = 0
): boolean => {
  // Guard absent-if-kept: without "!presenceKept || ", queue.test "if nodes have not flushed" fails.
  if (!presenceKept || settings.absenceSeconds === 0) return false
  const since = Math.max(joinedAt, seenUntil ?? 0, opening?.openedAt ?? 0)
  return (
    now - since > absentAfterSeconds(settings.absenceSeconds, staleIfStoreDownMs / 1_000) * 1_000
  )
}

/** The tokens at the head of a lane, in order: as far as the batch loaded all of them. */
const headsOf = (rows: Rows, queue: QueueRow, lane: QueueLane): ReadonlyArray<TokenRow> => {
  const { headsLoadedTo } = laneRow(queue, lane)
  const heads: Array<{ readonly token: TokenRow; readonly place: bigint }> = []
  for (const token of rows.tokens.values()) {
    // Guard heads-of-lane: without " || token.lane !== lane", queue.test "take turns by the share" fails.
    if (token.queueId !== queue.queueId || token.lane !== lane) continue
    if (token.state !== "waiting") continue
    const place = placeOf(queue, lane, token.number)
    // Guard admit-in-line: with "true" for "place <= headsLoadedTo", queue.test "if not all drawn" fails.
    if (place <= headsLoadedTo) heads.push({ token, place })
  }
  return heads.sort((a, b) => (a.place < b.place ? -1 : 1)).map(({ token }) => token)
}
