/** Who may join a queue, leave it, and be let in. Pure: rows in, events or a refusal out. */
import { Result } from "effect"
import type {
  QueueConfigured,
  QueueEvent,
  QueueModeChanged,
  QueueOpened,
  QueueRescheduled,
  QueueTokenAdmitted,
  QueueTokenLapsed,
  QueueTokenLeft
} from "../Events.ts"
import type { Rows } from "../engine/Rows.ts"
import type { QueueId, TokenId, UserId } from "../Ids.ts"
import type { QueueSettings } from "../Policies.ts"
import { askAdmission } from "../policies/evaluate.ts"
import type { PolicyOptions } from "../policies/rules.ts"
import type { QueueTokenPayload } from "../token/format.ts"
import {
  QueueAlreadyOpen,
  QueueClosed,
  QueueCodeInvalid,
  QueueNotFound,
  QueueTokenInvalid
} from "./errors.ts"
import { absentAfterSeconds } from "./live/presence.ts"
import type { QueueLane, QueueMode, QueueRow, TokenRow } from "./model.ts"
import { isPreOpening, laneRow, nextLane, positionOf, waitingIn } from "./position.ts"
import { tokenStateAt } from "./status.ts"

export interface Join {
  readonly queueId: QueueId
  readonly userId: UserId
  /** What a new token will be called. */
  readonly tokenId: TokenId
  /** The digest of the code that the user came with. */
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

const named = ({ tokenId, queueId, userId }: TokenRow, at: number) => ({
  tokenId,
  queueId,
  userId,
  at
})

type JoinRefusal = QueueNotFound | QueueClosed | QueueCodeInvalid

/**
 * One live token a user and queue: joining again changes nothing. A code that is good opens the
 * priority lane, and is used up a little by it.
 */
export const decideJoin = (
  rows: Rows,
  join: Join
): Result.Result<ReadonlyArray<QueueEvent>, JoinRefusal> => {
  const queue = rows.queues.get(join.queueId)
  if (queue === undefined) return Result.fail(new QueueNotFound())
  const live = liveToken(rows, join.queueId, join.userId)
  // Who waits for what is closed has no place any more.
  if (live !== undefined && !(queue.mode === "closed" && live.state === "waiting")) {
    return Result.succeed([])
  }
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
  if (code === undefined || code.usesLeft <= 0) return Result.fail(new QueueCodeInvalid())
  const { nextNumber: number } = queue.priority
  return Result.succeed([{ ...issued, number, lane: "priority", codeHash }])
}

/**
 * Leaving ends a token that is still alive; it is no error to leave twice. A ticket that is genuine
 * may still name a row of another user or queue, such as after a restore: that row is left alone.
 */
export const decideLeave = (
  rows: Rows,
  payload: Pick<QueueTokenPayload, "tokenId" | "userId" | "queueId">
): Result.Result<ReadonlyArray<QueueTokenLeft>, QueueTokenInvalid> => {
  const token = rows.tokens.get(payload.tokenId)
  if (token?.userId !== payload.userId || token.queueId !== payload.queueId) {
    return Result.fail(new QueueTokenInvalid())
  }
  const state = tokenStateAt(token, rows.now)
  if (state !== "waiting" && state !== "admitted") return Result.succeed([])
  return Result.succeed([{ _tag: "QueueTokenLeft", ...named(token, rows.now) }])
}

/** Ends the admitted tokens of a queue that have lapsed, those that were loaded. */
export const decideExpiries = (rows: Rows, queueId: QueueId): ReadonlyArray<QueueTokenLapsed> => {
  const events: Array<QueueTokenLapsed> = []
  for (const token of rows.tokens.values()) {
    if (token.queueId !== queueId || token.state !== "admitted") continue
    if (tokenStateAt(token, rows.now) === "expired") {
      const unclaimed = token.claimed ? {} : { unclaimed: true as const }
      events.push({ _tag: "QueueTokenLapsed", ...named(token, rows.now), ...unclaimed })
    }
  }
  return events
}

/** Ends those who wait for a queue that was closed, as many as were loaded. */
export const decideClosing = (rows: Rows, queueId: QueueId): ReadonlyArray<QueueTokenLapsed> => {
  if (rows.queues.get(queueId)?.mode !== "closed") return []
  const waiting = Array.from(rows.tokens.values()).filter(
    (token) => token.queueId === queueId && token.state === "waiting"
  )
  return waiting.map((token) => ({
    _tag: "QueueTokenLapsed",
    ...named(token, rows.now),
    closed: true
  }))
}

/** Opens a queue whose time has come: the places of all who have come are settled by that. */
export const decideOpening = (rows: Rows, queueId: QueueId): ReadonlyArray<QueueOpened> => {
  const queue = rows.queues.get(queueId)
  if (queue === undefined || queue.opening === null || !isPreOpening(queue)) return []
  if (queue.mode === "closed") return []
  const { opensAt, seed } = queue.opening
  if (opensAt > rows.now) return []
  return [{ _tag: "QueueOpened", queueId, seed, drawn: queue.nextNumber - 1n, at: rows.now }]
}

/** How many more may be let in now: both limits leave that much room, and the queue runs. */
export const roomIn = (
  queue: Pick<QueueRow, "mode" | "opening" | "settings" | "active" | "admittedLastMinute">
): number => {
  if (queue.mode === "paused" || queue.mode === "closed" || isPreOpening(queue)) return 0
  const { maxActive, admitPerMinute } = queue.settings
  return Math.max(0, Math.min(maxActive - queue.active, admitPerMinute - queue.admittedLastMinute))
}

/** Whether there is something to do in a queue though nobody asks: to open it, let in, or end. */
export const isDue = (queue: QueueRow, now: number): boolean => {
  if (queue.mode === "closed") return waitingIn(queue) > 0
  if (isPreOpening(queue)) return queue.opening!.opensAt <= now
  return waitingIn(queue) > 0 && roomIn(queue) > 0
}

/**
 * Lets in whoever is next while both limits leave room: each lane in the order of its places, and
 * the lanes in turn.
 *
 * `present` are those who will hear of it at once: their session begins. The others have the claim
 * window to show up in; those who have been away for too long lose their place instead, unless this
 * node has noted (`isNoted`) that they are back, and has not handed that over yet. A paused
 * queue lets nobody in; a draining one empties its line. The host's policy can let in fewer than
 * there is room for.
 */
export const decideAdmissions = (
  rows: Rows,
  queueId: QueueId,
  present: ReadonlySet<TokenId>,
  policies: Pick<PolicyOptions, "admission"> &
    Partial<Pick<PolicyOptions, "staleIfStoreDownMs">> = {},
  isNoted: (token: TokenRow) => boolean = () => false
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
  // Everyone who waits, loaded or not: where the next one was not loaded, the next batch goes on.
  const waitingOf = (lane: QueueLane): number => {
    const { waiting, headsLoadedTo, nextNumber } = laneRow(queue, lane)
    // Where all were loaded they are counted, whatever the row says.
    return headsLoadedTo >= nextNumber - 1n ? heads[lane].length : waiting
  }
  const waiting = { general: waitingOf("general"), priority: waitingOf("priority") }
  const { settings, active, admittedLastMinute } = queue
  const counts = { active, admittedLastMinute, waiting: waitingIn(queue), room }
  const now = new Date(rows.now)
  const asked = askAdmission(policies, { queueId, settings: { ...settings }, ...counts, now })
  // Where the policy cannot say, nobody: everything else in the queue goes on.
  room = Result.isSuccess(asked) ? asked.success : 0
  const taken = { general: 0, priority: 0 }
  const { claimSeconds, sessionSeconds, prioritySharePercent } = settings
  const decided: Array<QueueTokenAdmitted | QueueTokenLeft> = []
  let { laneCredit } = queue
  while (room > 0) {
    const waits = {
      general: taken.general < waiting.general,
      priority: taken.priority < waiting.priority
    }
    if (!waits.general && !waits.priority) break
    const next = nextLane(waits, laneCredit, prioritySharePercent)
    const token = heads[next.lane][taken[next.lane]]
    if (token === undefined) break
    taken[next.lane]++
    const claimed = present.has(token.tokenId)
    if (
      !claimed &&
      !isNoted(token) &&
      isAway(queue, token, rows.now, policies.staleIfStoreDownMs)
    ) {
      decided.push({ _tag: "QueueTokenLeft", ...named(token, rows.now), away: true })
      continue
    }
    laneCredit = next.turn
    room--
    decided.push({
      _tag: "QueueTokenAdmitted",
      ...named(token, rows.now),
      claimed,
      expiresAt: rows.now + (claimed ? sessionSeconds : claimSeconds) * 1_000
    })
  }
  return decided
}

/**
 * Whether somebody whose turn it is has not been there for longer than the queue waits for them.
 * Counted from when they came, or the queue opened, at the earliest.
 */
const isAway = (
  { settings, presenceKept, opening }: QueueRow,
  { joinedAt, seenAt }: TokenRow,
  now: number,
  staleIfStoreDownMs = 0
): boolean => {
  if (!presenceKept || settings.absenceSeconds === 0) return false
  const since = Math.max(joinedAt, seenAt ?? 0, opening?.openedAt ?? 0)
  return (
    now - since > absentAfterSeconds(settings.absenceSeconds, staleIfStoreDownMs / 1_000) * 1_000
  )
}

/** Who waits at the head of a lane, in order: as far as everyone was loaded, and no further. */
const headsOf = (rows: Rows, queue: QueueRow, lane: QueueLane): ReadonlyArray<TokenRow> => {
  const { headsLoadedTo } = laneRow(queue, lane)
  const heads: Array<{ readonly token: TokenRow; readonly place: bigint }> = []
  for (const token of rows.tokens.values()) {
    if (token.queueId !== queue.queueId || token.lane !== lane) continue
    if (token.state !== "waiting") continue
    const place = positionOf(queue, lane, token.number)
    if (place <= headsLoadedTo) heads.push({ token, place })
  }
  return heads.sort((a, b) => (a.place < b.place ? -1 : 1)).map(({ token }) => token)
}

/** Starts, stops, drains or closes a queue. A closed one stays closed. */
export const decideMode = (
  rows: Rows,
  queueId: QueueId,
  mode: QueueMode
): Result.Result<ReadonlyArray<QueueModeChanged>, QueueNotFound | QueueClosed> => {
  const queue = rows.queues.get(queueId)
  if (queue === undefined) return Result.fail(new QueueNotFound())
  if (queue.mode === mode) return Result.succeed([])
  if (queue.mode === "closed") return Result.fail(new QueueClosed({ mode: "closed" }))
  return Result.succeed([
    { _tag: "QueueModeChanged", queueId, mode, before: queue.mode, at: rows.now }
  ])
}

/**
 * Moves the opening of a queue that still collects people: to another instant, or, without one, to
 * now. The draw is held all the same, with the seed that was promised.
 */
export const decideReschedule = (
  rows: Rows,
  queueId: QueueId,
  opensAt: number | null
): Result.Result<
  ReadonlyArray<QueueRescheduled>,
  QueueNotFound | QueueClosed | QueueAlreadyOpen
> => {
  const queue = rows.queues.get(queueId)
  if (queue === undefined) return Result.fail(new QueueNotFound())
  if (queue.mode === "closed") return Result.fail(new QueueClosed({ mode: "closed" }))
  if (queue.opening === null || !isPreOpening(queue)) return Result.fail(new QueueAlreadyOpen())
  const { opensAt: before } = queue.opening
  const next = opensAt ?? rows.now
  if (next === before) return Result.succeed([])
  return Result.succeed([
    { _tag: "QueueRescheduled", queueId, opensAt: next, before, at: rows.now }
  ])
}

/** Changes settings, from the next admission on. */
export const decideConfigure = (
  rows: Rows,
  queueId: QueueId,
  change: Partial<QueueSettings>
): Result.Result<ReadonlyArray<QueueConfigured>, QueueNotFound> => {
  const queue = rows.queues.get(queueId)
  if (queue === undefined) return Result.fail(new QueueNotFound())
  const { settings: before } = queue
  const settings = { ...before, ...change }
  const names = Object.keys(before) as Array<keyof QueueSettings>
  if (names.every((name) => settings[name] === before[name])) return Result.succeed([])
  return Result.succeed([{ _tag: "QueueConfigured", queueId, settings, before, at: rows.now }])
}
