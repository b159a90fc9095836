/** Charging and reading a prepaid balance: see `wallet/decide.ts` for the rules. */
import { Context, Effect, Layer, Result, Schema } from "effect"
import { BoxOfficeStore } from "./BoxOfficeStore.ts"
import {
  IdempotencyConflict,
  type Overloaded,
  type RequestInvalid,
  type StoreUnavailable
} from "./Errors.ts"
import { BatchSettings, makeCommandBatchers } from "./engine/Command.ts"
import { evolve } from "./engine/evolve.ts"
import {
  type CommandOptions,
  commandIdentity,
  type Outcome,
  type OutcomeFromEffects,
  runOnce,
  toEffect
} from "./engine/Idempotency.ts"
import { checkInput, IdempotencyKey, PageLimit, pageLimitDefault } from "./engine/input.ts"
import type { Rows } from "./engine/Rows.ts"
import { traced } from "./engine/tracing.ts"
import {
  type Caller,
  checkInBatch,
  Gate,
  type GateDecision,
  type GatedOutcome,
  type GateRefusal,
  gateView
} from "./Gate.ts"
import { decideHolderGate, type GateDenial } from "./gate/decide.ts"
import { type TransferId, UserId } from "./Ids.ts"
import { Currency, type Money, maxAmount, money } from "./Money.ts"
import { Policies } from "./Policies.ts"
import { QueueTokenExpired } from "./queue/errors.ts"
import type { QueueTokenPayload } from "./token/format.ts"
import { type ChargeRefusal, decideCharge } from "./wallet/decide.ts"
import type { Balance, Charge, TransferRow, WalletEntry } from "./wallet/model.ts"

export interface ChargeInput extends Caller, CommandOptions {
  /** More than zero, in minor units of the wallet's currency. */
  readonly amount: Money
  /**
   * Whether the operator charges, such as a payment service that has got the money: it is in no
   * queue, so the gate is not asked. Never take this from a user.
   */
  readonly byOperator?: boolean | undefined
}

export interface EntriesPage {
  readonly items: ReadonlyArray<WalletEntry>
  /** Where the next page begins; `null` on the last. */
  readonly next: number | null
}

type Faults = RequestInvalid | Overloaded | StoreUnavailable
export type ChargeError = GateRefusal | ChargeRefusal | IdempotencyConflict | Faults
type DecidedCharge = GatedOutcome<Outcome<Charge, ChargeError>>

export class Wallet extends Context.Service<
  Wallet,
  {
    /** Adds money to the user's wallet. */
    readonly charge: (input: ChargeInput) => Effect.Effect<Charge, ChargeError>
    /** What is in the user's wallet; 0 where they never charged. */
    readonly balance: (caller: Caller) => Effect.Effect<Balance, GateRefusal | Faults>
    /** The wallet's statement, newest first. */
    readonly entries: (input: {
      readonly userId: string
      readonly limit?: number | undefined
      readonly after?: number | undefined
    }) => Effect.Effect<EntriesPage, RequestInvalid | StoreUnavailable>
  }
>()("@boxoffice/core/Wallet") {
  static readonly layer = Layer.effect(
    Wallet,
    Effect.gen(function* () {
      const store = yield* BoxOfficeStore
      const gate = yield* Gate
      const policies = yield* Policies
      const charges = yield* makeCommandBatchers<DecidedCharge | undefined>(
        store,
        yield* BatchSettings
      )

      const charge = Effect.fnUntraced(function* (input: ChargeInput) {
        const { userId, queueToken, idempotencyKey, byOperator, ...charged } =
          yield* checkCharge(input)
        const amount = money(charged.amount.amount, charged.amount.currency)
        const payload = byOperator
          ? undefined
          : yield* gate.verify("charge", { userId, queueToken })
        const command = commandIdentity("charge", userId, idempotencyKey, [
          amount.amount.toString(),
          amount.currency
        ])
        const transferId = command.commandId as string as TransferId
        // A token that has ended may still pass: its user can hold seats, which the batch does not look
        // at before it has to. Then the charge is submitted again, in a batch that reads the holds.
        const submit = (
          readsHolds: boolean
        ): Effect.Effect<DecidedCharge, Overloaded | StoreUnavailable> => {
          const decided = charges.submit({
            key: userId,
            plan: (plan) => {
              if (command.fingerprint !== undefined) {
                plan.outcomes.add(command.commandId)
                // What was charged before could be refused now, and a refusal tells nothing of it.
                plan.transfers.add(transferId)
              }
              if (payload !== undefined) {
                plan.tokensToRead.add(payload.tokenId)
                if (readsHolds) plan.addUnpaidOf(userId, payload.queueId)
              }
              plan.wallets.add(userId)
            },
            decide: (rows) => {
              const decision = readsHolds
                ? passWithHold(rows, payload, userId)
                : checkInBatch(rows, payload, undefined)
              if (!readsHolds && hasExpired(decision)) return undefined
              const decide = (): Result.Result<Charge, GateDenial | ChargeRefusal> => {
                if (Result.isFailure(decision)) return Result.fail(decision.failure)
                const decided = decideCharge(rows, { transferId, userId, amount }, policies)
                return Result.map(decided, (event): Charge => {
                  evolve(rows, event)
                  const { balance, currency } = rows.wallets.get(userId)!
                  return { transferId, amount, balance: money(balance, currency) }
                })
              }
              const retell = () =>
                chargeFromEffects(rows.transferBefore(transferId), { userId, amount })
              return { outcome: runOnce(rows, command, decide, retell), decision }
            }
          })
          return Effect.flatMap(decided, (it) =>
            it === undefined ? submit(true) : Effect.succeed(it)
          )
        }
        const { outcome, decision } = yield* submit(false)
        yield* gate.extendSession(payload, decision)
        return yield* gate.withCurrentPosition(payload, toEffect(outcome, input))
      }, traced("Wallet.charge"))

      const balance = Effect.fnUntraced(function* (input: Caller) {
        const caller = yield* checkCaller(input)
        yield* gate.requireForRead("balance", caller)
        const { userId } = caller
        const wallet = yield* store.wallet(userId)
        const { balance, currency } = wallet ?? { balance: 0n, currency: policies.currency }
        return { userId, balance: money(balance, currency) }
      }, traced("Wallet.balance"))

      const entries = Effect.fn("Wallet.entries")(function* (input: {
        readonly userId: string
        readonly limit?: number | undefined
        readonly after?: number | undefined
      }) {
        const { userId, limit = pageLimitDefault, after } = yield* checkEntries(input)
        const rows = yield* store.transfers(userId, { limit: limit + 1, after })
        const page = rows.slice(0, limit)
        return {
          items: page.map(toEntry),
          next: rows.length > limit ? page.at(-1)!.version : null
        }
      })

      return Wallet.of({ charge, balance, entries })
    })
  )
}

const hasExpired = (decision: GateDecision): boolean =>
  Result.isFailure(decision) && decision.failure instanceof QueueTokenExpired

const passWithHold = (
  rows: Rows,
  payload: QueueTokenPayload | undefined,
  userId: UserId
): GateDecision =>
  payload === undefined
    ? Result.succeed([])
    : decideHolderGate(
        payload,
        gateView(rows, payload, undefined),
        rows.hasUnpaid(userId, payload.queueId)
      )

/** What a charge has left in the ledger, as it was answered. */
const chargeFromEffects = (
  made: TransferRow | undefined,
  { userId, amount }: { readonly userId: UserId; readonly amount: Money }
): OutcomeFromEffects<Charge> | undefined => {
  if (made === undefined) return undefined
  const { transferId, kind, currency, balance } = made
  const isTheSame =
    kind === "charge" &&
    made.userId === userId &&
    made.amount === amount.amount &&
    currency === amount.currency
  return isTheSame
    ? Result.succeed({ transferId, amount, balance: money(balance, currency) })
    : Result.fail(new IdempotencyConflict())
}

const toEntry = (row: TransferRow): WalletEntry => ({
  transferId: row.transferId,
  kind: row.kind,
  amount: money(row.amount, row.currency),
  balance: money(row.balance, row.currency),
  reservationId: row.reservationId,
  at: new Date(row.at)
})

const callerFields = { userId: UserId, queueToken: Schema.optional(Schema.String) }
const checkCaller = checkInput(Schema.Struct(callerFields))
const checkCharge = checkInput(
  Schema.Struct({
    ...callerFields,
    amount: Schema.Struct({
      amount: Schema.BigInt.check(Schema.isBetweenBigInt({ minimum: 1n, maximum: maxAmount })),
      currency: Currency
    }),
    idempotencyKey: Schema.optional(IdempotencyKey),
    byOperator: Schema.optional(Schema.Boolean)
  })
)
const checkEntries = checkInput(
  Schema.Struct({
    userId: UserId,
    limit: Schema.optional(PageLimit),
    after: Schema.optional(Schema.Int)
  })
)
