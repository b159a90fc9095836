/** Lets the holder of an admitted queue token through, as the host's policies ask. */
import { Context, Effect, Layer, Result } from "effect"
import { makeCommandLanes } from "./CommandLane.ts"
import type { Overloaded, StoreUnavailable } from "./Errors.ts"
import type { PerformanceId, QueueId, ShowId, TokenId, UserId } from "./Ids.ts"
import { LaneSettings } from "./Lanes.ts"
import { type GatedOperation, Policies } from "./Policies.ts"
import type { QueueTokenInvalid, QueueTokenRequired } from "./queue/errors.ts"
import { decideGate, decidePresence, type GateError } from "./queue/gate.ts"
import { tokenStateAt } from "./queue/status.ts"
import { type Ticket, Tickets } from "./queue/ticket.ts"
import type { Rows } from "./Rows.ts"
import { BoxOfficeStore, RowNames } from "./Store.ts"

/** Who is calling, as every gated operation is told. */
export interface Caller {
  /** The host's own, already authenticated, name for the user. */
  readonly userId: string
  /** The signed token that joining the queue gave. */
  readonly queueToken?: string | undefined
}

export type GateRefusal = QueueTokenRequired | QueueTokenInvalid | GateError

/** @internal What the services use to ask for a token. */
export class Gate extends Context.Service<
  Gate,
  {
    /** The verified ticket, or `undefined` where this operation is not gated. No I/O. */
    readonly ticket: (
      operation: GatedOperation,
      caller: { readonly userId: UserId; readonly queueToken?: string | undefined }
    ) => Effect.Effect<Ticket | undefined, QueueTokenRequired | QueueTokenInvalid>
    /** For an operation that only reads: one look-up, and a write where the session moves on. */
    readonly passToRead: (
      operation: GatedOperation,
      caller: { readonly userId: UserId; readonly queueToken?: string | undefined },
      about?: { readonly showId: ShowId } | { readonly performanceId: PerformanceId }
    ) => Effect.Effect<void, GateRefusal | Overloaded | StoreUnavailable>
  }
>()("@boxoffice/core/Gate") {
  static readonly layer = Layer.effect(
    Gate,
    Effect.gen(function* () {
      const store = yield* BoxOfficeStore
      const tickets = yield* Tickets
      const gated = new Set((yield* Policies).gate)
      const lanes = yield* makeCommandLanes({
        ...(yield* LaneSettings),
        keyOf: (tokenId: TokenId) => tokenId,
        run: (batch) => {
          const names = new RowNames()
          for (const tokenId of batch) names.tokens.add(tokenId)
          return store.transact(names, (rows) => batch.map((tokenId) => keepAlive(rows, tokenId)))
        }
      })

      const ticket: Gate["Service"]["ticket"] = (operation, { userId, queueToken }) =>
        gated.has(operation)
          ? Effect.fromResult(tickets.verify(queueToken, userId))
          : Effect.succeed(undefined)

      const passToRead: Gate["Service"]["passToRead"] = Effect.fn("Gate.passToRead")(
        function* (operation, caller, about) {
          const shown = yield* ticket(operation, caller)
          if (shown === undefined) return
          const view = yield* store.gate({ tokenId: shown.tokenId, ...about })
          const seen = yield* Effect.fromResult(decideGate(shown, view))
          if (seen.length > 0) yield* lanes.submit(shown.tokenId)
        }
      )
      return Gate.of({ ticket, passToRead })
    })
  )
}

const keepAlive = (rows: Rows, tokenId: TokenId): void => {
  const token = rows.tokens.get(tokenId)
  if (token === undefined || tokenStateAt(token, rows.now) !== "admitted") return
  for (const event of decidePresence(token, rows.now)) rows.evolve(event)
}

/** For an operation that changes something: decides the gate on the rows of its own batch. */
export const passInBatch = (
  rows: Rows,
  ticket: Ticket | undefined,
  requiredQueueId: QueueId | undefined
): Result.Result<void, GateError> => {
  if (ticket === undefined) return Result.succeed(undefined)
  const token = rows.tokens.get(ticket.tokenId)
  const seen = decideGate(ticket, {
    token,
    ahead: token === undefined ? 0 : rows.ahead(token),
    requiredQueueId,
    now: rows.now
  })
  if (Result.isFailure(seen)) return Result.fail(seen.failure)
  for (const event of seen.success) rows.evolve(event)
  return Result.succeed(undefined)
}
