/** The command of a join, for the batch of its queue. See `decideJoin` for the rules. */
import { Result } from "effect"
import { type EngineFault, IdempotencyConflict } from "../Errors.ts"
import { tokenIdOf } from "../engine/CommandIds.ts"
import { evolveAll } from "../engine/evolve.ts"
import {
  type CommandIdentity,
  type Outcome,
  planOutcome,
  recordedOutcome,
  recordFromEffects,
  recordOutcome
} from "../engine/Idempotency.ts"
import type { LoadPlan } from "../engine/LoadPlan.ts"
import type { Rows } from "../engine/Rows.ts"
import type { QueueId, UserId } from "../Ids.ts"
import { payloadFor, type QueueTokenPayload } from "../token/format.ts"
import type { QueueCommand } from "./batch.ts"
import { decideJoin, liveToken } from "./decide.ts"
import type { QueueClosed, QueueCodeInvalid, QueueNotFound } from "./errors.ts"
import type { JoinedQueue, TokenRow } from "./model.ts"

/** The reply to a join, and whether the join made a new token. */
export interface Joined extends JoinedQueue {
  readonly created: boolean
}

export type JoinError =
  | QueueNotFound
  | QueueClosed
  | QueueCodeInvalid
  | IdempotencyConflict
  | EngineFault

/** A join that has been checked. */
export interface CheckedJoin {
  readonly queueId: QueueId
  readonly userId: UserId
  /** The digest of the code that the user gave. */
  readonly codeHash: string | undefined
  /** Its command id becomes the id of the new token, if the user gets one. */
  readonly identity: CommandIdentity
  /** The reply, with the position as far as this node knows it. */
  readonly toJoined: (rows: Rows, token: TokenRow, created: boolean) => Joined
  /** Whether this node's snapshot lacks the position of a waiting token, and can still be refreshed. */
  readonly isPositionUnread: (payload: QueueTokenPayload) => boolean
}

/**
 * Makes the command of a join. Its reply is an outcome, or the payload of the user's token if the
 * record would have a position that this node has yet to read: the caller then reads the position,
 * and submits the join again.
 */
export const joinCommand = (
  join: CheckedJoin
): QueueCommand<Outcome<Joined, JoinError> | QueueTokenPayload> => ({
  queueId: join.queueId,
  plan: (plan) => planJoin(plan, join),
  decide: (rows) => {
    const { queueId, userId, codeHash, identity, toJoined } = join
    const live = liveToken(rows, queueId, userId)
    // 1. A join whose outcome is recorded; by a command of this batch, it is complete in `reply` only.
    if (rows.outcomes.get(identity.commandId) !== undefined) {
      return { onlineToken: live?.tokenId, reply: () => recordedOutcome(rows, identity)! }
    }
    // 2. A join whose record is deleted, and whose token has ended since.
    const made = rows.tokens.get(tokenIdOf(identity.commandId))
    if (made !== undefined && live === undefined) {
      return {
        onlineToken: undefined,
        reply: () => recordFromEffects(rows, identity, fromToken(rows, made, join))!
      }
    }
    // 3. A join that is decided now.
    const decided = decideJoin(rows, {
      queueId,
      userId,
      tokenId: tokenIdOf(identity.commandId),
      codeHash
    })
    if (Result.isSuccess(decided)) {
      const waiting = live?.state === "waiting" ? payloadFor(live) : undefined
      const isKeyed = identity.fingerprint !== undefined
      if (isKeyed && waiting !== undefined && join.isPositionUnread(waiting)) {
        return { onlineToken: waiting.tokenId, reply: () => waiting }
      }
      evolveAll(rows, decided.success)
      // `reply` replaces this outcome once the whole batch is decided. Until then it marks the key
      // as used, for the other commands of the batch.
      recordOutcome(rows, identity, Result.succeed(undefined))
    }
    const token = liveToken(rows, queueId, userId)
    return {
      onlineToken: token?.tokenId,
      reply: () =>
        recordOutcome(
          rows,
          identity,
          Result.map(decided, (events) => toJoined(rows, token!, events.length > 0))
        )
    }
  }
})

const planJoin = (plan: LoadPlan, { queueId, userId, codeHash, identity }: CheckedJoin): void => {
  planOutcome(plan, identity)
  plan.liveTokensOf.push({ queueId, userId })
  if (codeHash !== undefined) plan.codes.push({ queueId, codeHash })
}

/** The outcome of an earlier join with the same key, from the token that it made. */
const fromToken = (rows: Rows, made: TokenRow, { queueId, userId, toJoined }: CheckedJoin) => {
  // Guard join-by-key-own: with "true" for "made.queueId…userId === userId", sql-store/forgottenKeys.test "a join by a key" fails.
  const isTheSame = made.queueId === queueId && made.userId === userId
  return isTheSame
    ? Result.succeed(toJoined(rows, made, false))
    : Result.fail(new IdempotencyConflict())
}
