/** The gate: whether a queue token lets its user through to an operation. Pure. */
import { Result } from "effect"
import type { QueueTokenExtended } from "../Events.ts"
import type { QueueId } from "../Ids.ts"
import {
  QueueTokenExpired,
  QueueTokenInvalid,
  QueueTokenWaiting,
  QueueTokenWrongQueue
} from "../queue/errors.ts"
import type { TokenRow } from "../queue/model.ts"
import { queueTokenStatus, tokenStateAt } from "../queue/status.ts"
import type { QueueTokenPayload } from "../token/format.ts"

export type GateDenial =
  | QueueTokenInvalid
  | QueueTokenWrongQueue
  | QueueTokenWaiting
  | QueueTokenExpired

/** The inputs of the gate besides the queue token itself. */
export interface GateView {
  /** The stored token that the queue token names. */
  readonly token: TokenRow | undefined
  /** How many tokens are in front of it. */
  readonly ahead: number
  /** The queue in front of the show or performance; `undefined` if a token of any queue passes. */
  readonly requiredQueueId: QueueId | undefined
  readonly now: number
}

/**
 * Refuses the token, or lets it through with the events that extend its session. A call extends the
 * session only if at least a tenth of it has passed since the last extension, so that a busy user
 * costs ten writes a session and not one a call.
 */
export const decideGate = (
  payload: QueueTokenPayload,
  { token, ahead, requiredQueueId, now }: GateView
): Result.Result<ReadonlyArray<QueueTokenExtended>, GateDenial> => {
  // Guard gate-own-token: without " || token.userId…payload.userId", gate.test "refuses another user's token" fails.
  if (token === undefined || token.userId !== payload.userId) {
    return Result.fail(new QueueTokenInvalid())
  }
  // Guard gate-queue: without it, gate.test "refuses a token of another queue" fails.
  if (requiredQueueId !== undefined && requiredQueueId !== token.queueId) {
    return Result.fail(new QueueTokenWrongQueue({ requiredQueueId }))
  }
  const state = tokenStateAt(token, now)
  // Guard gate-waiting: without it, gate.test "refuses a waiting token" fails.
  if (state === "waiting") {
    return Result.fail(new QueueTokenWaiting(queueTokenStatus(token, ahead, now)))
  }
  // Guard gate-ended: without it, gate.test "refuses a token that is" fails.
  if (state !== "admitted") return Result.fail(new QueueTokenExpired({ state }))
  return Result.succeed(decideSessionExtension(token, now))
}

/** Extends the session of an admitted token whose user made a call. */
export const decideSessionExtension = (
  token: TokenRow,
  now: number
): ReadonlyArray<QueueTokenExtended> => {
  const session = token.settings.sessionSeconds * 1_000
  const expiresAt = now + session
  // Guard session-writes: without it, gate.test "once a tenth of it has passed" fails.
  if (token.claimed && expiresAt - (token.expiresAt ?? 0) < session / 10) return []
  return [extendTo(token, expiresAt, now)]
}

/**
 * Extends a session to the end of a hold that was made in it, so that a user who holds seats can
 * pay. If the hold is the user's first call since being admitted, the session replaces the claim
 * window.
 */
export const decideSessionOfHold = (
  token: TokenRow,
  holdExpiresAt: number,
  now: number
): ReadonlyArray<QueueTokenExtended> => {
  // Guard session-outlasts-hold: without it, gate.test "as long as the hold" fails.
  if (token.claimed && (token.expiresAt ?? 0) >= holdExpiresAt) return []
  const session = token.settings.sessionSeconds * 1_000
  // Guard session-of-hold: with "now + session" for "Math.max(…session)", gate.test "the hold at least" fails.
  return [extendTo(token, Math.max(holdExpiresAt, now + session), now)]
}

const extendTo = (token: TokenRow, expiresAt: number, now: number): QueueTokenExtended => ({
  _tag: "QueueTokenExtended",
  tokenId: token.tokenId,
  queueId: token.queueId,
  userId: token.userId,
  expiresAt,
  at: now
})

/**
 * The gate of a payment, and of the charge that it needs. A user with a live hold passes even if
 * the token was admitted and has ended since: another payment of the same user may have completed
 * it while the hold was under way, or the clock may have been set. A user who left has given up the
 * session.
 */
export const decideHolderGate = (
  payload: QueueTokenPayload,
  view: GateView,
  holdsSeats: boolean
): Result.Result<ReadonlyArray<QueueTokenExtended>, GateDenial> => {
  const decided = decideGate(payload, view)
  // Guard holder-own-token: without " || !(decided…Expired)", gate.test "another user's token" fails.
  if (Result.isSuccess(decided) || !(decided.failure instanceof QueueTokenExpired)) return decided
  const { state } = decided.failure
  const wasAdmitted = view.token !== undefined && view.token.admittedAt !== null
  // Guard holder-left: without ` && state !== "left"`, gate.test "one who left" fails.
  return holdsSeats && wasAdmitted && state !== "left" ? Result.succeed([]) : decided
}
