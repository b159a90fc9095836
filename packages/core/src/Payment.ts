/** Paying for a reservation, and giving the money back: see `payment/decide.ts` for the rules. */
import { Context, Effect, Layer, Result, Schema } from "effect"
import type { IdempotencyConflict, Overloaded, RequestInvalid, StoreUnavailable } from "./Errors.ts"
import { type Caller, Gate, type GateRefusal, passInBatch } from "./Gate.ts"
import { answer, type CommandOptions, identify, type Settled, settle } from "./Idempotency.ts"
import { isUuid, type ReservationId, type TransferId, UserId } from "./Ids.ts"
import { checkInput, IdempotencyKey, Name } from "./Input.ts"
import { LaneSettings, makeLanes } from "./Lanes.ts"
import { money } from "./Money.ts"
import { Policies } from "./Policies.ts"
import { decidePay, decideRefund, type PayRefusal, type RefundRefusal } from "./payment/decide.ts"
import type { Payment, Refund } from "./payment/model.ts"
import type { GateError } from "./queue/gate.ts"
import type { Rows } from "./Rows.ts"
import { span } from "./Span.ts"
import { BoxOfficeStore } from "./Store.ts"

export interface PayInput extends Caller, CommandOptions {
  readonly reservationId: string
}

export interface RefundInput extends CommandOptions {
  readonly paymentId: string
}

type Faults = RequestInvalid | Overloaded | StoreUnavailable
export type PayError = GateRefusal | PayRefusal | IdempotencyConflict | Faults
export type RefundError = RefundRefusal | IdempotencyConflict | Faults

export class Payments extends Context.Service<
  Payments,
  {
    /**
     * Confirms the user's hold, debits their wallet and, by default, completes their queue token,
     * all in one transaction.
     */
    readonly pay: (input: PayInput) => Effect.Effect<Payment, PayError>
    /** Cancels a paid reservation, frees its seats and gives the money back. An operator's act. */
    readonly refund: (input: RefundInput) => Effect.Effect<Refund, RefundError>
  }
>()("@boxoffice/core/Payments") {
  static readonly layer = Layer.effect(
    Payments,
    Effect.gen(function* () {
      const store = yield* BoxOfficeStore
      const gate = yield* Gate
      const policies = yield* Policies
      const settings = yield* LaneSettings
      const pays = yield* makeLanes<Settled<Payment, PayError>>(store, settings)
      const refunds = yield* makeLanes<Settled<Refund, RefundError>>(store, settings)

      const pay = Effect.fnUntraced(function* (input: PayInput) {
        const { userId, queueToken, reservationId, idempotencyKey } = yield* checkPay(input)
        const ticket = yield* gate.ticket("pay", { userId, queueToken })
        const command = identify("pay", userId, idempotencyKey, [reservationId])
        const settled = yield* pays.submit({
          key: userId,
          names: (names) => {
            if (command.fingerprint !== undefined) names.outcomes.add(command.commandId)
            if (ticket !== undefined) names.tokens.add(ticket.tokenId)
            names.wallets.add(userId)
            names.nameReservation(reservationId)
          },
          decide: (rows) =>
            settle(rows, command, (): Result.Result<Payment, GateError | PayRefusal> => {
              const queueId = queueOf(rows, reservationId, userId)
              const passage = passInBatch(rows, ticket, queueId)
              if (Result.isFailure(passage)) return Result.fail(passage.failure)
              // The token is locked, to be completed: its session can move on right here.
              for (const event of passage.success) rows.evolve(event)
              const paid = decidePay(rows, {
                paymentId: command.commandId as string as TransferId,
                userId,
                reservationId: reservationId as ReservationId
              })
              return Result.map(paid, (event): Payment => {
                rows.evolve(event)
                if (ticket !== undefined && policies.paymentCompletesToken) {
                  rows.evolve({
                    _tag: "QueueTokenCompleted",
                    tokenId: ticket.tokenId,
                    queueId: ticket.queueId,
                    userId,
                    at: rows.now
                  })
                }
                return {
                  paymentId: event.paymentId,
                  reservationId: event.reservationId,
                  amount: event.amount,
                  balance: balanceOf(rows, userId, event.amount.currency),
                  paidAt: new Date(event.at)
                }
              })
            })
        })
        return yield* gate.placing(ticket, answer(settled, input))
      }, span("Payments.pay"))

      const refund = Effect.fn("Payments.refund")(function* (input: RefundInput) {
        const { paymentId, idempotencyKey } = yield* checkRefund(input)
        const command = identify("refund", operator, idempotencyKey, [paymentId])
        // Whose wallet it was has to be known before anything is locked: wallets come first.
        const paid = isUuid(paymentId) ? yield* store.paid(paymentId as TransferId) : undefined
        const settled = yield* refunds.submit({
          key: paymentId,
          names: (names) => {
            if (command.fingerprint !== undefined) names.outcomes.add(command.commandId)
            if (paid === undefined) return
            names.wallets.add(paid.userId)
            names.nameReservation(paid.reservationId)
          },
          decide: (rows) =>
            settle(rows, command, (): Result.Result<Refund, RefundRefusal> => {
              const refundId = command.commandId as string as TransferId
              const asked = { refundId, paymentId: paymentId as TransferId }
              return Result.map(decideRefund(rows, asked, policies), (event): Refund => {
                rows.evolve(event)
                return {
                  refundId: event.refundId,
                  paymentId: event.paymentId,
                  reservationId: event.reservationId,
                  amount: event.amount,
                  balance: balanceOf(rows, event.userId, event.amount.currency),
                  refundedAt: new Date(event.at)
                }
              })
            })
        })
        return yield* answer(settled, input)
      })

      return Payments.of({ pay, refund })
    })
  )
}

/** Whose idempotency keys those of operators are: all operators are one. */
const operator = "operator" as UserId

/** Who pays nothing may have no wallet: that is 0 in the currency of what was paid. */
const balanceOf = (rows: Rows, userId: UserId, currency: string) => {
  const wallet = rows.wallets.get(userId)
  return wallet === undefined ? money(0n, currency) : money(wallet.balance, wallet.currency)
}

/** The queue in front of the user's own reservation; somebody else's must look like none. */
const queueOf = (rows: Rows, reservationId: string, userId: UserId) => {
  const reservation = rows.reservations.get(reservationId as ReservationId)
  return reservation?.userId === userId
    ? rows.performances.get(reservation.performanceId)?.queueId
    : undefined
}

const checkPay = checkInput(
  Schema.Struct({
    userId: UserId,
    queueToken: Schema.optional(Schema.String),
    reservationId: Name,
    idempotencyKey: Schema.optional(IdempotencyKey)
  })
)
const checkRefund = checkInput(
  Schema.Struct({ paymentId: Name, idempotencyKey: Schema.optional(IdempotencyKey) })
)
