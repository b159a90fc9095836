/**
 * The users' half of the waiting room. See `queue/decide.ts` for the rules, `queue/live/LiveQueue.ts` for
 * positions, and `QueueOperations.ts` for the operators' half.
 */
import { Context, Effect, Layer, Result, Schema, Stream } from "effect"
import { BoxOfficeStore } from "./BoxOfficeStore.ts"
import type { EngineFault, Overloaded, StoreUnavailable } from "./Errors.ts"
import { makeBatchers } from "./engine/Batcher.ts"
import { BatchSettings, makeCommandBatchers } from "./engine/Command.ts"
import { tokenIdOf } from "./engine/CommandIds.ts"
import { evolveAll } from "./engine/evolve.ts"
import {
  type CommandOptions,
  commandIdentity,
  type Outcome,
  submitOnce,
  toEffect
} from "./engine/Idempotency.ts"
import { callerFields, checkInput, IdempotencyKey, Name } from "./engine/input.ts"
import type { Rows } from "./engine/Rows.ts"
import { traced } from "./engine/tracing.ts"
import { isQueueKey, type QueueId, type TokenId, UserId } from "./Ids.ts"
import { makeQueueOperations, type QueueOperations } from "./QueueOperations.ts"
import { beginSession } from "./queue/batch.ts"
import { queueCodeHash } from "./queue/code.ts"
import { decideLeave } from "./queue/decide.ts"
import {
  QueueNotFound,
  QueueTokenInvalid,
  type QueueTokenRequired,
  QueueTokenWrongQueue
} from "./queue/errors.ts"
import { type CheckedJoin, type JoinError, type Joined, joinCommand } from "./queue/join.ts"
import { LiveQueues } from "./queue/live/LiveQueues.ts"
import type { QueueTokenStatus, TokenRow } from "./queue/model.ts"
import { queueTokenStatus, tokenStateAt } from "./queue/status.ts"
import { joinedStatus } from "./queue/views.ts"
import { payloadFor, type QueueTokenPayload } from "./token/format.ts"
import { QueueTokens } from "./token/QueueTokens.ts"

export interface JoinInput extends CommandOptions {
  readonly userId: string
  readonly queueId: string
  /** Opens the priority lane: see `addCodes`. */
  readonly code?: string | undefined
}

export interface QueueTokenInput {
  readonly userId: string
  readonly queueToken?: string | undefined
  /** Refuses a token of another queue. */
  readonly queueId?: string | undefined
}

/** Refusals of a queue token by its signature and payload alone. */
export type QueueTokenRefusal = QueueTokenRequired | QueueTokenInvalid | QueueTokenWrongQueue
export type QueueTokenError = QueueTokenRefusal | EngineFault

export class Queue extends Context.Service<
  Queue,
  QueueOperations & {
    /** Joins the queue: gives the user's token, or a new one. With room the user is admitted at once. */
    readonly join: (input: JoinInput) => Effect.Effect<Joined, JoinError>
    /**
     * The status of the user's token. For a waiting token the node checks a signature and computes the
     * position from a snapshot that is at most `queueMaxAgeMs` old. For an admitted token the node asks
     * the store, and the session begins.
     */
    readonly status: (input: QueueTokenInput) => Effect.Effect<QueueTokenStatus, QueueTokenError>
    /**
     * The status of a waiting token from memory, at once. `undefined` if the caller has to use `status`:
     * the node has no fresh snapshot, or the token no longer waits.
     */
    readonly peek: (
      input: QueueTokenInput & { readonly userId: UserId }
    ) => Result.Result<QueueTokenStatus, QueueTokenRefusal> | undefined
    /** The status now and after each change, until the token has ended. */
    readonly changes: (input: QueueTokenInput) => Stream.Stream<QueueTokenStatus, QueueTokenError>
    /** Leaves the queue. Leaving again changes nothing. */
    readonly leave: (input: QueueTokenInput) => Effect.Effect<void, QueueTokenError>

    /** Expires lapsed tokens and admits the next ones, without a request. For the sweeper. */
    readonly advance: (queueId: QueueId) => Effect.Effect<void, Overloaded | StoreUnavailable>
  }
>()("@boxoffice/core/Queue") {
  static readonly layer = Layer.effect(
    Queue,
    Effect.gen(function* () {
      const store = yield* BoxOfficeStore
      const queueTokens = yield* QueueTokens
      const liveQueues = yield* LiveQueues
      const settings = yield* BatchSettings
      const tokenReads = yield* makeBatchers({
        ...settings,
        keyOf: (tokenId: TokenId) => tokenId,
        run: (batch) => store.readTokens(batch.map((tokenId) => ({ tokenId })))
      })
      const sessionStarts = yield* makeCommandBatchers<QueueTokenStatus>(store, settings)

      const join = Effect.fnUntraced(function* (input: JoinInput) {
        const { userId, queueId: name, code, idempotencyKey } = yield* checkJoin(input)
        if (!isQueueKey(name)) return yield* new QueueNotFound()
        const queueId = name as QueueId
        const codeHash = code === undefined ? undefined : queueCodeHash(queueId, code)
        const content = code === undefined ? [queueId] : [queueId, code]
        const identity = commandIdentity("join", userId, idempotencyKey, content)
        const isKeyed = identity.fingerprint !== undefined
        const toJoined = (rows: Rows, token: TokenRow, created: boolean): Joined => {
          const payload = payloadFor(token)
          const status = joinedStatus(rows, token.tokenId, () =>
            liveQueues.lastKnownStatus(payload)
          )
          return {
            ...liveQueues.withMinPollDelay(status),
            token: queueTokens.sign(payload),
            created
          }
        }
        const submit = (isPositionUnread: CheckedJoin["isPositionUnread"]) =>
          submitOnce(
            liveQueues.submit,
            joinCommand({ queueId, userId, codeHash, identity, toJoined, isPositionUnread }),
            (plan) => plan.tokens.add(tokenIdOf(identity.commandId))
          )

        // 1. The record of a keyed join contains a position: the node refreshes its snapshot first.
        if (isKeyed) yield* Effect.ignore(liveQueues.read(queueId))
        // 2. The batch. A keyed join of a waiting user may need the position of a token that this node
        //    learns of in the batch: the node reads the position, and submits again.
        let decided = yield* submit((payload) => liveQueues.lastKnownStatus(payload) === undefined)
        if (!("result" in decided)) {
          yield* Effect.ignore(liveQueues.freshStatus(decided))
          decided = yield* submit(() => false)
        }
        const joined = yield* toEffect(decided as Outcome<Joined, JoinError>, input)
        // 3. A user who waited before gets the position that polls give.
        if (joined.created || joined.state !== "waiting") return joined
        const payload = queueTokens.verify(joined.token, userId)
        if (Result.isFailure(payload)) return joined
        if (isKeyed) {
          // The outcome stays as recorded. The call itself shows that the user is present.
          liveQueues.cachedStatus(payload.success)
          return joined
        }
        const status = yield* liveQueues.freshStatus(payload.success)
        if (status === undefined) return joined
        // No field of the first answer is kept: it may be from before the opening, with `opensAt`.
        return { ...status, token: joined.token, created: joined.created }
      }, traced("Queue.join"))

      const verifyFor = ({
        userId,
        queueToken,
        queueId
      }: QueueTokenInput & { readonly userId: UserId }): Result.Result<
        QueueTokenPayload,
        QueueTokenRefusal
      > => {
        const verified = queueTokens.verify(queueToken, userId)
        // Guard queue-of-token: with "return verified" for "if (Result.isFailure(verified) || queueId === undefined) return verified", queueService.test "knows its own tokens only" fails.
        if (Result.isFailure(verified) || queueId === undefined) return verified
        if (queueId === verified.success.queueId) return verified
        // No queue can have this name, so the token is for another one.
        const requiredQueueId = (isQueueKey(queueId) ? queueId : "unknown") as QueueId
        return Result.fail(new QueueTokenWrongQueue({ requiredQueueId }))
      }
      const payloadOf = Effect.fnUntraced(function* (input: QueueTokenInput) {
        return yield* Effect.fromResult(verifyFor(yield* checkQueueToken(input)))
      })

      const peek = (input: QueueTokenInput & { readonly userId: UserId }) => {
        const payload = verifyFor(input)
        if (Result.isFailure(payload)) return Result.fail(payload.failure)
        const status = liveQueues.cachedStatus(payload.success)
        return status && Result.succeed(status)
      }

      const poll = Effect.fnUntraced(function* (payload: QueueTokenPayload) {
        const waiting = yield* liveQueues.freshStatus(payload)
        if (waiting !== undefined) return waiting
        const { token, ahead, now } = (yield* tokenReads.submit(payload.tokenId))!
        if (token === undefined || token.userId !== payload.userId) {
          return yield* new QueueTokenInvalid()
        }
        if (token.admittedAt !== null) {
          liveQueues.recordAdmission(token.queueId, token.tokenId, token.admittedAt)
        }
        if (token.claimed || tokenStateAt(token, now) !== "admitted") {
          return liveQueues.withMinPollDelay(queueTokenStatus(token, ahead, now))
        }
        return yield* sessionStarts.submit({
          key: payload.tokenId,
          plan: (plan) => plan.tokens.add(payload.tokenId),
          decide: (rows) => {
            beginSession(rows, payload.tokenId)
            return queueTokenStatus(rows.tokens.get(payload.tokenId)!, 0, rows.now)
          }
        })
      })

      const status = Effect.fnUntraced(function* (input: QueueTokenInput) {
        return yield* poll(yield* payloadOf(input))
      }, traced("Queue.status"))

      const changes = (input: QueueTokenInput): Stream.Stream<QueueTokenStatus, QueueTokenError> =>
        Stream.unwrap(
          Effect.map(payloadOf(input), (payload) =>
            Stream.unfold(undefined as QueueTokenStatus["state"] | undefined, (before) =>
              Effect.gen(function* () {
                if (before === "waiting") yield* Effect.sleep(waitingEvery)
                else if (before === "admitted") yield* Effect.sleep(insideEvery)
                else if (before !== undefined) return undefined
                const status = yield* poll(payload)
                return [status, status.state] as const
              })
            ).pipe(Stream.changesWith(isSameStatus))
          )
        )

      const leave = Effect.fn("Queue.leave")(function* (input: QueueTokenInput) {
        const payload = yield* payloadOf(input)
        if (liveQueues.lastKnownStatus(payload)?.state === "left") return
        const decided = yield* liveQueues.submit<Result.Result<void, QueueTokenInvalid>>({
          queueId: payload.queueId,
          plan: (plan) => {
            plan.tokens.add(payload.tokenId)
            // So that a later join of the user waits behind this, if the token is locked.
            plan.liveTokensOf.push({ queueId: payload.queueId, userId: payload.userId })
          },
          decide: (rows) => {
            const result = Result.map(decideLeave(rows, payload), (events) => {
              evolveAll(rows, events)
            })
            return { onlineToken: undefined, reply: () => result }
          }
        })
        yield* Effect.fromResult(decided)
      })

      const operations = yield* makeQueueOperations

      return Queue.of({
        join,
        status,
        peek,
        changes,
        leave,
        advance: liveQueues.advance,
        ...operations
      })
    })
  )
}

/** How often a stream reads the status of a waiting token (from memory), and of an admitted one. */
const waitingEvery = "1 second"
const insideEvery = "2 seconds"

/** Whether a stream need not send the second one: `asOf` and `pollAfterSeconds` do not count. */
const isSameStatus = (a: QueueTokenStatus, b: QueueTokenStatus): boolean =>
  comparableOf(a) === comparableOf(b)

const comparableOf = ({ asOf: _, pollAfterSeconds: __, ...news }: QueueTokenStatus): string =>
  JSON.stringify(news)

const checkJoin = checkInput(
  Schema.Struct({
    userId: UserId,
    queueId: Name,
    // A text that cannot be a code is refused like an unknown code.
    code: Schema.optional(Name),
    idempotencyKey: Schema.optional(IdempotencyKey)
  })
)
const checkQueueToken = checkInput(
  Schema.Struct({
    ...callerFields,
    queueId: Schema.optional(Name)
  })
)
