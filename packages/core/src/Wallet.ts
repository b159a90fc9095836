/** Charging and reading a prepaid balance. See `wallet/decide.ts` for the rules. */
import { Context, Effect, Layer, Result, Schema } from "effect"
import { BoxOfficeStore } from "./BoxOfficeStore.ts"
import {
  type EngineFault,
  IdempotencyConflict,
  type RequestInvalid,
  type StoreUnavailable
} from "./Errors.ts"
import { transferIdOf } from "./engine/CommandIds.ts"
import { evolve } from "./engine/evolve.ts"
import type { CommandOptions, OutcomeFromEffects } from "./engine/Idempotency.ts"
import {
  callerFields,
  checkInput,
  IdempotencyKey,
  PageLimit,
  pageLimitDefault
} from "./engine/input.ts"
import { pageOf } from "./engine/page.ts"
import { traced } from "./engine/tracing.ts"
import { type Caller, Gate, type GateDecision, type GateError, gateView } from "./Gate.ts"
import { decideGate, decideHolderGate } from "./gate/decide.ts"
import { makeGatedCommand, needsMoreRows } from "./gate/gatedCommand.ts"
import { UserId } from "./Ids.ts"
import { Currency, type Money, maxAmount, money } from "./Money.ts"
import { Policies } from "./Policies.ts"
import { QueueTokenExpired } from "./queue/errors.ts"
import { type ChargeRefusal, decideCharge } from "./wallet/decide.ts"
import type { Balance, Charge, TransferRow, WalletEntry } from "./wallet/model.ts"

export interface ChargeInput extends Caller, CommandOptions {
  /** More than zero, in minor units of the wallet's currency. */
  readonly amount: Money
  /**
   * Whether an operator charges, such as a payment service that has received the money. An operator is in
   * no queue, so no queue token is needed. Never take this value from a user.
   */
  readonly byOperator?: boolean | undefined
}

export interface EntriesPage {
  readonly items: ReadonlyArray<WalletEntry>
  /** Where the next page begins; `null` on the last. */
  readonly next: number | null
}

export type ChargeError = GateError | ChargeRefusal | IdempotencyConflict | EngineFault

export class Wallet extends Context.Service<
  Wallet,
  {
    /** Adds money to the user's wallet. */
    readonly charge: (input: ChargeInput) => Effect.Effect<Charge, ChargeError>
    /** The balance of the user's wallet; 0 if they never charged it. */
    readonly balance: (caller: Caller) => Effect.Effect<Balance, GateError | EngineFault>
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

      const charge = yield* makeGatedCommand("Wallet.charge", {
        operation: "charge",
        input: checkCharge,
        isUngated: ({ byOperator }) => byOperator === true,
        content: ({ amount }) => [amount.amount.toString(), amount.currency],
        key: ({ userId }) => userId,
        plan: (plan, { input, commandId, isKeyed, payload, isWide }) => {
          // `decide` could refuse a charge that an earlier run has made. So `fromEffects` looks for its
          // transfer.
          if (isKeyed) plan.transfers.add(transferIdOf(commandId))
          if (payload !== undefined) {
            plan.tokensToRead.add(payload.tokenId)
            if (isWide) plan.addUnpaidOf(input.userId, payload.queueId)
          }
          plan.wallets.add(input.userId)
        },
        check: (rows, { input, payload, isWide }) => {
          if (payload === undefined) return Result.succeed([])
          const view = gateView(rows, payload, undefined)
          if (isWide) {
            return decideHolderGate(payload, view, rows.hasUnpaid(input.userId, payload.queueId))
          }
          // A token that has ended passes while its user holds seats. Few tokens have ended, so only a
          // second submission reads the holds.
          const decided = decideGate(payload, view)
          return hasExpired(decided) ? needsMoreRows : decided
        },
        fromEffects: (rows, { input, commandId }) =>
          chargeFromEffects(rows.transferBefore(transferIdOf(commandId)), input),
        decide: (
          rows,
          { input: { userId, amount }, commandId }
        ): Result.Result<Charge, ChargeRefusal> => {
          const transferId = transferIdOf(commandId)
          const decided = decideCharge(rows, { transferId, userId, amount }, policies)
          return Result.map(decided, (event): Charge => {
            evolve(rows, event)
            const { balance, currency } = rows.wallets.get(userId)!
            return { transferId, amount, balance: money(balance, currency) }
          })
        }
      })

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
        const page = pageOf(rows, limit, ({ version }) => version)
        return { ...page, items: page.items.map(toEntry) }
      })

      return Wallet.of({ charge, balance, entries })
    })
  )
}

const hasExpired = (decision: GateDecision): boolean =>
  Result.isFailure(decision) && decision.failure instanceof QueueTokenExpired

/** The answer to a charge, from its row in the ledger. */
const chargeFromEffects = (
  made: TransferRow | undefined,
  { userId, amount }: { readonly userId: UserId; readonly amount: Money }
): OutcomeFromEffects<Charge> | undefined => {
  if (made === undefined) return undefined
  const { transferId, kind, currency, balance } = made
  const isTheSame =
    kind === "charge" &&
    made.userId === userId &&
    // Guard charge-by-key-amount: without it, sql-store/forgottenKeys.test "as good without its record" fails.
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

const checkCaller = checkInput(Schema.Struct(callerFields))
const checkChargeFields = checkInput(
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
const checkCharge = (given: unknown) =>
  Effect.map(checkChargeFields(given), ({ amount, ...input }) => ({
    ...input,
    amount: money(amount.amount, amount.currency)
  }))
const checkEntries = checkInput(
  Schema.Struct({
    userId: UserId,
    limit: Schema.optional(PageLimit),
    after: Schema.optional(Schema.Int)
  })
)
