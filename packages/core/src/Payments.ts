/** Paying for a reservation, and refunding it. See `payment/decide.ts` for the rules. */
import { Context, Effect, Layer, Result, Schema } from "effect"
import { BoxOfficeStore } from "./BoxOfficeStore.ts"
import { type EngineFault, IdempotencyConflict } from "./Errors.ts"
import { BatchSettings, makeCommandBatchers } from "./engine/Command.ts"
import { transferIdOf } from "./engine/CommandIds.ts"
import { evolve, evolveAll } from "./engine/evolve.ts"
import {
  type CommandOptions,
  type Outcome,
  type OutcomeFromEffects,
  operatorCommandIdentity,
  planOutcome,
  runOnce,
  toEffect
} from "./engine/Idempotency.ts"
import { callerFields, checkInput, IdempotencyKey, Name } from "./engine/input.ts"
import type { Rows } from "./engine/Rows.ts"
import { type Caller, type GateDecision, type GateError, gateView } from "./Gate.ts"
import { decideHolderGate } from "./gate/decide.ts"
import { makeGatedCommand } from "./gate/gatedCommand.ts"
import { isUuid, type ReservationId, type TransferId, type UserId } from "./Ids.ts"
import { money } from "./Money.ts"
import { Policies } from "./Policies.ts"
import {
  decideCompletion,
  decidePay,
  decideRefund,
  type PayRefusal,
  type RefundRefusal
} from "./payment/decide.ts"
import type { Payment, Refund } from "./payment/model.ts"
import { type ReservationRow, reservationStatusAt } from "./reservation/model.ts"
import type { QueueTokenPayload } from "./token/format.ts"

export interface PayInput extends Caller, CommandOptions {
  readonly reservationId: string
}

export interface RefundInput extends CommandOptions {
  readonly paymentId: string
}

export type PayError = GateError | PayRefusal | IdempotencyConflict | EngineFault
export type RefundError = RefundRefusal | IdempotencyConflict | EngineFault

export class Payments extends Context.Service<
  Payments,
  {
    /**
     * Confirms the user's hold, debits their wallet and, by default, completes their queue token,
     * all in one transaction.
     */
    readonly pay: (input: PayInput) => Effect.Effect<Payment, PayError>
    /** Cancels a paid reservation, frees its seats and returns the money. For operators. */
    readonly refund: (input: RefundInput) => Effect.Effect<Refund, RefundError>
  }
>()("@boxoffice/core/Payments") {
  static readonly layer = Layer.effect(
    Payments,
    Effect.gen(function* () {
      const store = yield* BoxOfficeStore
      const policies = yield* Policies
      const settings = yield* BatchSettings
      const refunds = yield* makeCommandBatchers<Outcome<Refund, RefundError>>(store, settings)

      const pay = yield* makeGatedCommand("Payments.pay", {
        operation: "pay",
        input: checkPay,
        content: ({ reservationId }) => [reservationId],
        key: ({ userId }) => userId,
        plan: (plan, { input, commandId, isKeyed, payload }) => {
          // `decide` could refuse a payment that an earlier run has made. So `fromEffects` looks for
          // its transfer.
          if (isKeyed) plan.transfers.add(transferIdOf(commandId))
          if (payload !== undefined) plan.tokens.add(payload.tokenId)
          plan.wallets.add(input.userId)
          if (payload !== undefined && policies.paymentCompletesToken) {
            plan.addUnpaidOf(input.userId, payload.queueId)
          }
          plan.addReservation(input.reservationId)
        },
        check: (rows, { input, payload }) =>
          checkToPay(rows, payload, input.reservationId, input.userId),
        fromEffects: (rows, { input, commandId }) =>
          paymentFromEffects(rows, transferIdOf(commandId), input.reservationId),
        changesSession: true,
        decide: (
          rows,
          { input, commandId, payload },
          session
        ): Result.Result<Payment, PayRefusal> => {
          // Even a refused payment is a call of its user, so it extends the session.
          evolveAll(rows, session)
          const paid = decidePay(rows, {
            paymentId: transferIdOf(commandId),
            userId: input.userId,
            reservationId: input.reservationId as ReservationId
          })
          return Result.map(paid, (event): Payment => {
            evolve(rows, event)
            if (payload !== undefined && policies.paymentCompletesToken) {
              evolveAll(rows, decideCompletion(rows, payload.tokenId))
            }
            return toPayment(rows, rows.reservations.get(event.reservationId)!)
          })
        }
      })

      const refund = Effect.fn("Payments.refund")(function* (input: RefundInput) {
        const { paymentId, idempotencyKey } = yield* checkRefund(input)
        const command = operatorCommandIdentity("refund", idempotencyKey, [paymentId])
        // The plan needs the user: a batch locks wallets before reservations.
        const paid = isUuid(paymentId) ? yield* store.paid(paymentId as TransferId) : undefined
        const refundId = transferIdOf(command.commandId)
        const outcome = yield* refunds.submit({
          key: paymentId,
          plan: (plan) => {
            planOutcome(plan, command)
            // `decide` refuses a refund that an earlier run has made. So `fromEffects` looks for its
            // transfer.
            if (command.fingerprint !== undefined) plan.transfers.add(refundId)
            if (paid === undefined) return
            plan.wallets.add(paid.userId)
            plan.addReservation(paid.reservationId)
          },
          decide: (rows) => {
            const decide = (): Result.Result<Refund, RefundRefusal> =>
              Result.map(
                decideRefund(rows, { refundId, paymentId: paymentId as TransferId }, policies),
                (event): Refund => {
                  evolve(rows, event)
                  return {
                    refundId: event.refundId,
                    paymentId: event.paymentId,
                    reservationId: event.reservationId,
                    amount: event.amount,
                    balance: balanceOf(rows, event.userId, event.amount.currency),
                    refundedAt: new Date(event.at)
                  }
                }
              )
            const fromEffects = () => refundFromEffects(rows, refundId, paymentId)
            return runOnce(rows, command, decide, fromEffects)
          }
        })
        return yield* toEffect(outcome, input)
      })

      return Payments.of({ pay, refund })
    })
  )
}

/** The answer to the payment of a reservation that is confirmed. */
const toPayment = (rows: Rows, paid: ReservationRow): Payment => ({
  paymentId: paid.paymentId!,
  reservationId: paid.reservationId,
  amount: paid.amount,
  balance: balanceOf(rows, paid.userId, paid.amount.currency),
  paidAt: new Date(paid.confirmedAt!)
})

/**
 * The answer to a payment, from its reservation. If only its transfer exists, the key was used to pay
 * for another reservation.
 */
const paymentFromEffects = (
  rows: Rows,
  paymentId: TransferId,
  reservationId: string
): OutcomeFromEffects<Payment> | undefined => {
  const reservation = rows.reservations.get(reservationId as ReservationId)
  if (reservation?.paymentId === paymentId) return Result.succeed(toPayment(rows, reservation))
  return rows.transferBefore(paymentId) && Result.fail(new IdempotencyConflict())
}

/** The answer to a refund, from its transfer. */
const refundFromEffects = (
  rows: Rows,
  refundId: TransferId,
  paymentId: string
): OutcomeFromEffects<Refund> | undefined => {
  const made = rows.transferBefore(refundId)
  if (made === undefined) return undefined
  const reservation = made.reservationId && rows.reservations.get(made.reservationId)
  if (!reservation || reservation.paymentId !== paymentId) {
    return Result.fail(new IdempotencyConflict())
  }
  return Result.succeed({
    refundId,
    paymentId: reservation.paymentId,
    reservationId: reservation.reservationId,
    amount: money(made.amount, made.currency),
    balance: money(made.balance, made.currency),
    refundedAt: new Date(made.at)
  })
}

/** A user who paid nothing may have no wallet: then the balance is 0 in the payment's currency. */
const balanceOf = (rows: Rows, userId: UserId, currency: string) => {
  const wallet = rows.wallets.get(userId)
  return wallet === undefined ? money(0n, currency) : money(wallet.balance, wallet.currency)
}

/** The gate for the user's own reservation. Another user's reservation must look like none. */
const checkToPay = (
  rows: Rows,
  payload: QueueTokenPayload | undefined,
  reservationId: string,
  userId: UserId
): GateDecision => {
  if (payload === undefined) return Result.succeed([])
  const named = rows.reservations.get(reservationId as ReservationId)
  // Guard pay-gate-own: with "named" for "named?.…: undefined", gateService.test "has not held it" fails.
  const own = named?.userId === userId ? named : undefined
  const queueId = own && rows.performances.get(own.performanceId)?.queueId
  const holdsSeats = own !== undefined && reservationStatusAt(own, rows.now) === "held"
  return decideHolderGate(payload, gateView(rows, payload, queueId), holdsSeats)
}

const checkPay = checkInput(
  Schema.Struct({
    ...callerFields,
    reservationId: Name,
    idempotencyKey: Schema.optional(IdempotencyKey)
  })
)
const checkRefund = checkInput(
  Schema.Struct({ paymentId: Name, idempotencyKey: Schema.optional(IdempotencyKey) })
)
