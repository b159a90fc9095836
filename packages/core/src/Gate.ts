/**
 * The gate: lets a call through if it carries an admitted queue token, or if the host's policies do
 * not gate the operation.
 *
 * A call that changes something is decided in its own batch (`checkInBatch`), on locked rows or
 * rows read under the batch's locks. A call that only reads is decided by the token cache while its
 * reading is fresh, else by a read that concurrent calls share (`requireForRead`). The gate never
 * refuses from memory, except a token that has ended: only the store knows whether a token was
 * admitted since.
 *
 * The module itself keeps no state but its batchers; `TokenCache` and `LiveQueues` say what they
 * hold.
 */
import { Context, Effect, Layer, Result } from "effect"
import { BoxOfficeStore, type GateQuestion, type TokenReading } from "./BoxOfficeStore.ts"
import type { Overloaded, StoreUnavailable } from "./Errors.ts"
import { makeBatchers } from "./engine/Batcher.ts"
import { BatchSettings, makeCommandBatchers } from "./engine/Command.ts"
import { evolveAll } from "./engine/evolve.ts"
import type { Rows } from "./engine/Rows.ts"
import { orElse, refreshTimeout } from "./engine/SharedReads.ts"
import { traced } from "./engine/tracing.ts"
import {
  decideGate,
  decideSessionExtension,
  type GateDenial,
  type GateView
} from "./gate/decide.ts"
import { makeTokenCache } from "./gate/TokenCache.ts"
import { HostTransaction } from "./HostTransaction.ts"
import type { PerformanceId, QueueId, ShowId, TokenId, UserId } from "./Ids.ts"
import { Policies } from "./Policies.ts"
import type { PolicyFailed } from "./policies/errors.ts"
import { askGate } from "./policies/evaluate.ts"
import type { GatedOperation } from "./policies/settings.ts"
import {
  QueueTokenExpired,
  type QueueTokenInvalid,
  type QueueTokenRequired,
  QueueTokenWaiting
} from "./queue/errors.ts"
import { LiveQueues } from "./queue/live/LiveQueues.ts"
import { tokenStateAt, waitingStatus } from "./queue/status.ts"
import type { QueueTokenPayload } from "./token/format.ts"
import { QueueTokens } from "./token/QueueTokens.ts"

/** How long the answer to a call waits for the extension of the session. */
const patience = "250 millis"

/** The user who makes a call: part of the input of every gated operation. */
export interface Caller {
  /** The host's own id of the user, whom the host has authenticated. */
  readonly userId: string
  /** The signed queue token from the reply to the join. */
  readonly queueToken?: string | undefined
}

type TokenError = QueueTokenRequired | QueueTokenInvalid | QueueTokenExpired | PolicyFailed
export type GateError = QueueTokenRequired | QueueTokenInvalid | GateDenial | PolicyFailed

/** The show or performance that a call is about. */
type GateSubject = { readonly showId: ShowId } | { readonly performanceId: PerformanceId }

/** @internal The gate as the services use it. */
export class Gate extends Context.Service<
  Gate,
  {
    /** The verified queue token, or `undefined` if this operation is not gated. No I/O. */
    readonly verify: (
      operation: GatedOperation,
      caller: { readonly userId: UserId; readonly queueToken?: string | undefined },
      about?: { readonly showId?: string; readonly performanceId?: string }
    ) => Effect.Effect<QueueTokenPayload | undefined, TokenError>
    /**
     * For an operation that only reads. Costs no I/O while the cached reading of the token is
     * younger than `gateMaxAgeMs`; else one read, shared with concurrent calls, and a write if the
     * session is due to be extended.
     */
    readonly requireForRead: (
      operation: GatedOperation,
      caller: { readonly userId: UserId; readonly queueToken?: string | undefined },
      about?: GateSubject
    ) => Effect.Effect<void, GateError | Overloaded | StoreUnavailable>
    /** After a batch has let a token through: extends its session, if that is due. */
    readonly extendSession: (
      payload: QueueTokenPayload | undefined,
      decision: GateDecision
    ) => Effect.Effect<void>
    /**
     * Corrects the position in a refusal: if a batch refused a waiting token, the refusal gets the
     * position that a poll would show.
     */
    readonly withCurrentPosition: <A, E>(
      payload: QueueTokenPayload | undefined,
      outcome: Effect.Effect<A, E>
    ) => Effect.Effect<A, E | QueueTokenWaiting | QueueTokenExpired>
    /**
     * Whether {@link requireForRead} would let a token through without I/O: cached, and no
     * extension due.
     */
    readonly passesFromCache: (
      operation: GatedOperation,
      caller: Caller,
      about: Partial<{ showId: ShowId; performanceId: PerformanceId }>
    ) => boolean
  }
>()("@boxoffice/core/Gate") {
  static readonly layer = Layer.effect(
    Gate,
    Effect.gen(function* () {
      const store = yield* BoxOfficeStore
      const queueTokens = yield* QueueTokens
      const liveQueues = yield* LiveQueues
      const { gate, gateMaxAgeMs, staleIfStoreDownMs } = yield* Policies
      const settings = yield* BatchSettings
      const cache = yield* makeTokenCache(gateMaxAgeMs)
      const tokenReads = yield* makeBatchers({
        ...settings,
        keyOf: batcherKeyOf,
        run: store.readTokens
      })
      const sessionExtensions = yield* makeCommandBatchers<void>(store, settings)

      /**
       * Extends the session of a user who has passed the gate. The answer to the call waits for it for
       * `patience` at most and does not depend on it: if it fails, the next call extends the session.
       */
      const extend = (tokenId: TokenId): Effect.Effect<void> =>
        sessionExtensions
          .submit({
            key: tokenId,
            plan: (plan) => plan.tokens.add(tokenId),
            decide: (rows) => extendIfAdmitted(rows, tokenId)
          })
          // Guard extension-deadline: without "Effect.timeoutOption(patience), ", sql-store/outage.test "though the user's session cannot be extended" fails.
          .pipe(Effect.timeoutOption(patience), Effect.ignore)

      const requiredToken = (
        operation: GatedOperation,
        {
          userId,
          queueToken
        }: { readonly userId: UserId; readonly queueToken?: string | undefined },
        about?: { readonly showId?: string; readonly performanceId?: string }
      ): Result.Result<QueueTokenPayload | undefined, TokenError> => {
        const { showId, performanceId } = about ?? {}
        const gated = askGate(gate, { operation, userId, showId, performanceId })
        if (Result.isFailure(gated)) return Result.fail(gated.failure)
        if (!gated.success) return Result.succeed(undefined)
        return Result.flatMap(
          queueTokens.verifyCached(queueToken, userId),
          (payload): Result.Result<QueueTokenPayload, TokenError> => {
            // A token whose user left has ended, so the node refuses it without a read. An expired
            // one still passes if its user holds seats, which only the store knows.
            const state = liveQueues.lastKnownStatus(payload)?.state
            const mayHold = operation === "pay" || operation === "charge"
            // Guard gate-left: without `state === "left" || `, queueTokenRefusals.test "after its user has left" fails.
            return state === "left" || (state === "expired" && !mayHold)
              ? Result.fail(new QueueTokenExpired({ state }))
              : Result.succeed(payload)
          }
        )
      }
      const verify: Gate["Service"]["verify"] = (operation, caller, about) =>
        Effect.fromResult(requiredToken(operation, caller, about))

      /**
       * A refusal with the exact position. A batch counts the tokens ahead by the rows that it has
       * loaded, and so may count some that have left. The snapshot has the exact position, at the
       * cost of a poll.
       */
      const currentPosition = Effect.fnUntraced(function* (
        payload: QueueTokenPayload,
        refusal: QueueTokenWaiting
      ) {
        // A token of an earlier release has no number, so no snapshot has its position. A host's
        // transaction may roll back, so its view must not be mixed with the shared snapshots.
        if (payload.entry === undefined || (yield* HostTransaction) !== undefined) return refusal
        const read = yield* Effect.result(liveQueues.freshStatus(payload))
        if (Result.isFailure(read)) return refusal
        const status = read.success
        if (status?.state === "waiting") return new QueueTokenWaiting(status)
        if (status !== undefined) return new QueueTokenExpired({ state: status.state })
        // The token was admitted since: no token is ahead, and the next call passes.
        const nextInLine = { ahead: 0, estimatedWait: null, waitSeconds: 0, now: 0 }
        return new QueueTokenWaiting(
          liveQueues.withMinPollDelay(waitingStatus(payload, nextInLine))
        )
      })

      const withCurrentPosition: Gate["Service"]["withCurrentPosition"] = <A, E>(
        payload: QueueTokenPayload | undefined,
        outcome: Effect.Effect<A, E>
      ) =>
        Effect.catch(
          outcome,
          (refusal): Effect.Effect<never, E | QueueTokenWaiting | QueueTokenExpired> =>
            payload !== undefined && refusal instanceof QueueTokenWaiting
              ? Effect.flatMap(currentPosition(payload, refusal), Effect.fail)
              : Effect.fail(refusal)
        )

      /** Whether a fresh cached reading lets the token through without a write. */
      const isKnownToPass = (payload: QueueTokenPayload, question: GateQuestion): boolean => {
        const known = cache.get(question)
        return known !== undefined && needsNoWrite(decideGate(payload, known))
      }
      /** Whether a cached reading lets the token through while the store is down: no session is extended. */
      const passesWithoutStore = (payload: QueueTokenPayload, question: GateQuestion): boolean => {
        const known = cache.get(question, staleIfStoreDownMs)
        return known !== undefined && Result.isSuccess(decideGate(payload, known))
      }

      const passesFromCache: Gate["Service"]["passesFromCache"] = (operation, caller, about) => {
        const payload = queueTokens.verifyCached(caller.queueToken, caller.userId as UserId)
        if (Result.isFailure(payload)) return false
        const { tokenId, userId } = payload.success
        if (!isKnownToPass(payload.success, { tokenId, ...about })) return false
        const { showId, performanceId } = about
        const gated = askGate(gate, { operation, userId, showId, performanceId })
        return Result.isSuccess(gated) && gated.success
      }

      const requireForRead: Gate["Service"]["requireForRead"] = Effect.fnUntraced(function* (
        operation,
        caller,
        about
      ) {
        const payload = yield* Effect.fromResult(requiredToken(operation, caller, about))
        if (payload === undefined) return
        const question: GateQuestion = { tokenId: payload.tokenId, ...about }
        // A host's transaction may roll back, so a reading inside it is neither cached nor taken
        // from the cache.
        const isShared = (yield* HostTransaction) === undefined
        const known = isShared ? cache.get(question) : undefined
        if (known !== undefined) {
          const decided = decideGate(payload, known)
          if (needsNoWrite(decided)) return
          if (hasEnded(known)) return yield* Effect.fromResult(Result.map(decided, () => undefined))
        }
        const begun = cache.begin()
        // While the store is down, or silent, a token that the node read as admitted less than
        // `staleIfStoreDownMs` ago goes on passing, so that its user can go on reading.
        const passes = () =>
          isShared && passesWithoutStore(payload, question) ? "passes" : undefined
        const read = tokenReads.submit(question)
        // Guard gate-silence: with "read" for "Effect.timeout(read, refreshTimeout)", waitingRoom.test "while the store is silent" fails.
        const view = yield* passes() === undefined
          ? read
          : orElse(Effect.timeout(read, refreshTimeout), read, passes)
        if (view === "passes") return
        const decided = decideGate(payload, view)
        if (isShared && (needsNoWrite(decided) || hasEnded(view))) cache.keep(question, view, begun)
        const passed = yield* withCurrentPosition(payload, Effect.fromResult(decided))
        if (passed.length > 0) yield* extend(payload.tokenId)
      }, traced("Gate.requireForRead"))

      const extendSession: Gate["Service"]["extendSession"] = (payload, decision) =>
        payload === undefined || Result.isFailure(decision) || needsNoWrite(decision)
          ? Effect.void
          : extend(payload.tokenId)

      return Gate.of({
        verify,
        requireForRead,
        passesFromCache,
        extendSession,
        withCurrentPosition
      })
    })
  )
}

/** The gate's decision: a refusal, or the events that extend the session; often none. */
export type GateDecision = ReturnType<typeof decideGate>

/** Whether the token passes and its session need not be extended. */
const needsNoWrite = (decision: GateDecision): boolean =>
  Result.isSuccess(decision) && decision.success.length === 0

/**
 * Whether a batch has ended the token. One that only lapsed may be extended by a batch under way.
 */
const hasEnded = ({ token }: TokenReading): boolean => token !== undefined && token.endedAt !== null

const batcherKeyOf = ({ showId, performanceId }: GateQuestion): string =>
  performanceId ?? showId ?? ""

/** Extends the session of a token if it is still admitted. */
const extendIfAdmitted = (rows: Rows, tokenId: TokenId): void => {
  const token = rows.tokens.get(tokenId)
  if (token === undefined || tokenStateAt(token, rows.now) !== "admitted") return
  evolveAll(rows, decideSessionExtension(token, rows.now))
}

/**
 * For an operation that changes something: decides the gate on the rows of its own batch. It
 * evolves no row, so the batch needs to read the token but not to lock it. `Gate.extendSession`
 * extends the session after the batch.
 */
export const checkInBatch = (
  rows: Rows,
  payload: QueueTokenPayload | undefined,
  requiredQueueId: QueueId | undefined
): GateDecision => {
  if (payload === undefined) return Result.succeed([])
  return decideGate(payload, gateView(rows, payload, requiredQueueId))
}

/** The inputs of the gate, taken from the rows of a batch. */
export const gateView = (
  rows: Rows,
  { tokenId }: QueueTokenPayload,
  requiredQueueId: QueueId | undefined
): GateView => {
  const token = rows.token(tokenId)
  const ahead = token === undefined ? 0 : rows.ahead(token)
  return { token, ahead, requiredQueueId, now: rows.now }
}
