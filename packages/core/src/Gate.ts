/** Lets the holder of an admitted queue token through, as the host's policies ask. */
import { Context, Effect, Layer, Result } from "effect"
import { BoxOfficeStore, type GateQuestion, type TokenReading } from "./BoxOfficeStore.ts"
import type { Overloaded, StoreUnavailable } from "./Errors.ts"
import { makeBatchers } from "./engine/Batcher.ts"
import { BatchSettings, makeCommandBatchers } from "./engine/Command.ts"
import { evolveAll } from "./engine/evolve.ts"
import type { Rows } from "./engine/Rows.ts"
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
import { type GatedOperation, Policies } from "./Policies.ts"
import type { PolicyFailed } from "./policies/errors.ts"
import { askGate } from "./policies/evaluate.ts"
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

/** How long an answer waits for the session to be extended. */
const patience = "250 millis"

/** Who is calling, as every gated operation is told. */
export interface Caller {
  /** The host's own, already authenticated, name for the user. */
  readonly userId: string
  /** The signed token that joining the queue gave. */
  readonly queueToken?: string | undefined
}

type TokenRefusal = QueueTokenRequired | QueueTokenInvalid | QueueTokenExpired | PolicyFailed
export type GateRefusal = QueueTokenRequired | QueueTokenInvalid | GateDenial | PolicyFailed

/** What a token is shown for. */
type GateSubject = { readonly showId: ShowId } | { readonly performanceId: PerformanceId }

/** @internal What the services use to ask for a token. */
export class Gate extends Context.Service<
  Gate,
  {
    /** The verified ticket, or `undefined` where this operation is not gated. No I/O. */
    readonly verify: (
      operation: GatedOperation,
      caller: { readonly userId: UserId; readonly queueToken?: string | undefined },
      about?: { readonly showId?: string; readonly performanceId?: string }
    ) => Effect.Effect<QueueTokenPayload | undefined, TokenRefusal>
    /**
     * For an operation that only reads: at most one look-up, shared with those who ask at the same
     * time, and a write where the session moves on. None while the policies call the last fresh.
     */
    readonly requireForRead: (
      operation: GatedOperation,
      caller: { readonly userId: UserId; readonly queueToken?: string | undefined },
      about?: GateSubject
    ) => Effect.Effect<void, GateRefusal | Overloaded | StoreUnavailable>
    /** Once a batch has let somebody through: moves the end of their session on, where it is due. */
    readonly extendSession: (
      payload: QueueTokenPayload | undefined,
      decision: GateDecision
    ) => Effect.Effect<void>
    /** An outcome that, where a batch has refused somebody who waits, tells the place that polls do. */
    readonly withCurrentPosition: <A, E>(
      payload: QueueTokenPayload | undefined,
      outcome: Effect.Effect<A, E>
    ) => Effect.Effect<A, E | QueueTokenWaiting | QueueTokenExpired>
    /** Whether {@link requireForRead} would let a token through from memory, with nothing to write. */
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
       * Extends the session of a user who has passed. Their answer waits for it a moment, and does not
       * depend on it: a session that could not be extended now is extended by the next call.
       */
      const extend = (tokenId: TokenId): Effect.Effect<void> =>
        sessionExtensions
          .submit({
            key: tokenId,
            plan: (plan) => plan.tokens.add(tokenId),
            decide: (rows) => keepAlive(rows, tokenId)
          })
          .pipe(Effect.timeoutOption(patience), Effect.ignore)

      const ticketOf = (
        operation: GatedOperation,
        {
          userId,
          queueToken
        }: { readonly userId: UserId; readonly queueToken?: string | undefined },
        about?: { readonly showId?: string; readonly performanceId?: string }
      ): Result.Result<QueueTokenPayload | undefined, TokenRefusal> => {
        const { showId, performanceId } = about ?? {}
        const gated = askGate(gate, { operation, userId, showId, performanceId })
        if (Result.isFailure(gated)) return Result.fail(gated.failure)
        if (!gated.success) return Result.succeed(undefined)
        return Result.flatMap(
          queueTokens.verifyCached(queueToken, userId),
          (payload): Result.Result<QueueTokenPayload, TokenRefusal> => {
            // A token that was left stays left: the node need not look. An expired one can still
            // pass where its user holds seats, and only the store knows that.
            const state = liveQueues.lastKnownStatus(payload)?.state
            const mayHold = operation === "pay" || operation === "charge"
            return state === "left" || (state === "expired" && !mayHold)
              ? Result.fail(new QueueTokenExpired({ state }))
              : Result.succeed(payload)
          }
        )
      }
      const ticket: Gate["Service"]["verify"] = (operation, caller, about) =>
        Effect.fromResult(ticketOf(operation, caller, about))

      /**
       * A batch counts who is in front by what it has at hand, and so may count some who have left:
       * what is known of the line says it exactly, at the cost of a poll.
       */
      const currentPosition = Effect.fnUntraced(function* (
        payload: QueueTokenPayload,
        refusal: QueueTokenWaiting
      ) {
        // A transaction of the host's sees what may never be so, and a ticket may not say enough.
        if (payload.place === undefined || (yield* HostTransaction) !== undefined) return refusal
        const read = yield* Effect.result(liveQueues.freshStatus(payload))
        if (Result.isFailure(read)) return refusal
        const told = read.success
        if (told?.state === "waiting") return new QueueTokenWaiting(told)
        if (told !== undefined) return new QueueTokenExpired({ state: told.state })
        // Let in since: there is nobody in front any more, and the next call goes through.
        const nobody = { ahead: 0, estimatedWait: null, waitSeconds: 0, now: 0 }
        return new QueueTokenWaiting(liveQueues.withMinPollDelay(waitingStatus(payload, nobody)))
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

      // Nobody is refused from memory but whose place has ended: only the store knows who has been
      // let in since.
      const isKnownToPass = (
        payload: QueueTokenPayload,
        question: GateQuestion,
        withinMs?: number
      ): boolean => {
        const known = cache.get(question, withinMs)
        return known !== undefined && needsNoWrite(decideGate(payload, known))
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
        const payload = yield* Effect.fromResult(ticketOf(operation, caller, about))
        if (payload === undefined) return
        const question: GateQuestion = { tokenId: payload.tokenId, ...about }
        // What is seen inside a host's transaction may never be committed: it is not remembered.
        const shared = (yield* HostTransaction) === undefined
        const known = shared ? cache.get(question) : undefined
        if (known !== undefined) {
          const decided = decideGate(payload, known)
          if (needsNoWrite(decided)) return
          if (hasEnded(known)) return yield* Effect.fromResult(Result.map(decided, () => undefined))
        }
        const begun = cache.begin()
        const read = yield* Effect.result(tokenReads.submit(question))
        if (Result.isFailure(read)) {
          // While the store is away, who was let in a while ago can go on looking around.
          const isAway = read.failure._tag === "StoreUnavailable"
          if (isAway && isKnownToPass(payload, question, staleIfStoreDownMs)) return
          return yield* Effect.fail(read.failure)
        }
        const view = read.success
        const decided = decideGate(payload, view)
        if (shared && (needsNoWrite(decided) || hasEnded(view))) cache.keep(question, view, begun)
        const passed = yield* withCurrentPosition(payload, Effect.fromResult(decided))
        if (passed.length > 0) yield* extend(payload.tokenId)
      }, traced("Gate.requireForRead"))

      const extendSession: Gate["Service"]["extendSession"] = (payload, decision) =>
        payload === undefined || Result.isFailure(decision) || needsNoWrite(decision)
          ? Effect.void
          : extend(payload.tokenId)

      return Gate.of({
        verify: ticket,
        requireForRead,
        passesFromCache,
        extendSession,
        withCurrentPosition
      })
    })
  )
}

/** What the gate says: a refusal, or what being let through does to the session. */
export type GateDecision = ReturnType<typeof decideGate>

/** Passes with nothing to write. */
const needsNoWrite = (decision: GateDecision): boolean =>
  Result.isSuccess(decision) && decision.success.length === 0

/** As it is stored: what has only lapsed may be kept alive at this very moment. */
const hasEnded = ({ token }: TokenReading): boolean => token !== undefined && token.endedAt !== null

const batcherKeyOf = ({ showId, performanceId }: GateQuestion): string =>
  performanceId ?? showId ?? ""

const keepAlive = (rows: Rows, tokenId: TokenId): void => {
  const token = rows.tokens.get(tokenId)
  if (token === undefined || tokenStateAt(token, rows.now) !== "admitted") return
  evolveAll(rows, decideSessionExtension(token, rows.now))
}

/**
 * For an operation that changes something: decides the gate on the rows of its own batch. Nothing
 * evolves, so it is enough that the batch looks at the token; {@link Gate} attends to the session.
 */
export const checkInBatch = (
  rows: Rows,
  payload: QueueTokenPayload | undefined,
  requiredQueueId: QueueId | undefined
): GateDecision => {
  if (payload === undefined) return Result.succeed([])
  return decideGate(payload, gateView(rows, payload, requiredQueueId))
}

/** What the gate looks at, among the rows of a batch. */
export const gateView = (
  rows: Rows,
  { tokenId }: QueueTokenPayload,
  requiredQueueId: QueueId | undefined
): GateView => {
  const token = rows.token(tokenId)
  const ahead = token === undefined ? 0 : rows.ahead(token)
  return { token, ahead, requiredQueueId, now: rows.now }
}
