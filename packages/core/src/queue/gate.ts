/** The gate: whether a queue token lets its user through to an operation. Pure. */
import { Result } from "effect"
import type { QueueTokenExtended } from "../Events.ts"
import type { QueueId } from "../Ids.ts"
import type { Ticket } from "./claims.ts"
import {
  QueueTokenExpired,
  QueueTokenInvalid,
  QueueTokenWaiting,
  QueueTokenWrongQueue
} from "./errors.ts"
import type { TokenRow } from "./model.ts"
import { queueTokenStatus, tokenStateAt } from "./status.ts"

export type GateError =
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
  ticket: Ticket,
  { token, ahead, requiredQueueId, now }: GateView
): Result.Result<ReadonlyArray<QueueTokenExtended>, GateError> => {
  if (token === undefined || token.userId !== ticket.userId) {
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
  return Result.succeed(decidePresence(token, now))
}

/** Keeps an admitted token alive now that its user has been seen. */
export const decidePresence = (token: TokenRow, now: number): ReadonlyArray<QueueTokenExtended> => {
  const session = token.settings.sessionSeconds * 1_000
  const expiresAt = now + session
  if (token.claimed && expiresAt - (token.expiresAt ?? 0) < session / 10) return []
  const { tokenId, queueId, userId } = token
  return [{ _tag: "QueueTokenExtended", tokenId, queueId, userId, expiresAt, at: now }]
}
