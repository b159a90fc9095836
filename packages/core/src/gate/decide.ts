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

/** What the gate looks at. */
export interface GateView {
  /** The stored token that the ticket names. */
  readonly token: TokenRow | undefined
  readonly ahead: number
  /** The queue in front of what is asked for; `undefined` where any queue will do. */
  readonly requiredQueueId: QueueId | undefined
  readonly now: number
}

/**
 * Refuses, or lets through. Being seen keeps a session alive: where the token's end has come a
 * tenth of a session nearer since it was last moved, letting through moves it (so that a busy user
 * costs ten writes a session, not one a call).
 */
export const decideGate = (
  payload: QueueTokenPayload,
  { token, ahead, requiredQueueId, now }: GateView
): Result.Result<ReadonlyArray<QueueTokenExtended>, GateDenial> => {
  if (token === undefined || token.userId !== payload.userId) {
    return Result.fail(new QueueTokenInvalid())
  }
  if (requiredQueueId !== undefined && requiredQueueId !== token.queueId) {
    return Result.fail(new QueueTokenWrongQueue({ requiredQueueId }))
  }
  const state = tokenStateAt(token, now)
  if (state === "waiting") {
    return Result.fail(new QueueTokenWaiting(queueTokenStatus(token, ahead, now)))
  }
  if (state !== "admitted") return Result.fail(new QueueTokenExpired({ state }))
  return Result.succeed(decideSessionExtension(token, now))
}

/** Keeps an admitted token alive now that its user has been seen. */
export const decideSessionExtension = (
  token: TokenRow,
  now: number
): ReadonlyArray<QueueTokenExtended> => {
  const session = token.settings.sessionSeconds * 1_000
  const expiresAt = now + session
  if (token.claimed && expiresAt - (token.expiresAt ?? 0) < session / 10) return []
  return [extendTo(token, expiresAt, now)]
}

/**
 * A session lasts at least as long as a hold that was made in it: whoever holds seats can pay. Who has
 * not shown up before has shown up now, and the session takes the place of the claim window.
 */
export const decideSessionOfHold = (
  token: TokenRow,
  holdExpiresAt: number,
  now: number
): ReadonlyArray<QueueTokenExtended> => {
  if (token.claimed && (token.expiresAt ?? 0) >= holdExpiresAt) return []
  const session = token.settings.sessionSeconds * 1_000
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
 * The gate of a payment, and of the charge that it needs. A user with a live hold passes with a
 * token that was admitted and has ended since: another payment of the same user completed it while
 * the hold was on its way, or the clock has stepped. A user who left gave up the session.
 */
export const decideHolderGate = (
  payload: QueueTokenPayload,
  view: GateView,
  holdsSeats: boolean
): Result.Result<ReadonlyArray<QueueTokenExtended>, GateDenial> => {
  const decided = decideGate(payload, view)
  if (Result.isSuccess(decided) || !(decided.failure instanceof QueueTokenExpired)) return decided
  const { state } = decided.failure
  const wasInside = view.token !== undefined && view.token.admittedAt !== null
  return holdsSeats && wasInside && state !== "left" ? Result.succeed([]) : decided
}
