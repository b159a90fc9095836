/**
 * A command with an idempotency key takes effect once. Its transaction records its first outcome,
 * refusals included, and later calls with the key get that outcome, for as long as the policy
 * `idempotencyKeySeconds` says.
 */
import { hash } from "node:crypto"
import { Effect, Result } from "effect"
import { IdempotencyConflict, type Overloaded, type StoreUnavailable } from "../Errors.ts"
import { HostTransactionConflict } from "../HostTransaction.ts"
import type { CommandId, UserId } from "../Ids.ts"
import { type Money, money } from "../Money.ts"
import { commandIdOf, newCommandId } from "./CommandIds.ts"
import { handleDropped } from "./droppedPromises.ts"
import type { LoadPlan } from "./LoadPlan.ts"
import type { Rows } from "./Rows.ts"
import { isRecordable, recordedError } from "./TaggedError.ts"

/** What every command accepts in addition to its own input. */
export interface CommandOptions {
  /** 1 to 255 visible ASCII characters. The same key gives the same answer, and one effect. */
  readonly idempotencyKey?: string | undefined
  /** Called if the outcome is a recorded one. */
  readonly onReplay?: (() => void) | undefined
}

/** Which command this is, and a fingerprint of its content. */
export interface CommandIdentity {
  readonly commandId: CommandId
  readonly userId: UserId
  readonly operation: string
  /** `undefined` without a key: then nothing is recorded. */
  readonly fingerprint: string | undefined
  /** Whether an operator runs it. No gate is in front of it, so every refusal is its own outcome. */
  readonly byOperator?: true
}

/** The owner of operators' idempotency keys: all operators share one. */
const operator = "operator" as UserId

/** The identity of a command: derived from its key, or new without one. */
export const commandIdentity = (
  operation: string,
  userId: UserId,
  idempotencyKey: string | undefined,
  content: ReadonlyArray<string>
): CommandIdentity =>
  idempotencyKey === undefined
    ? { commandId: newCommandId(), userId, operation, fingerprint: undefined }
    : {
        commandId: commandIdOf(userId, operation, idempotencyKey),
        userId,
        operation,
        fingerprint: hash("sha256", JSON.stringify(content), "base64url")
      }

/** The identity of an operator's command. */
export const operatorCommandIdentity = (
  operation: string,
  idempotencyKey: string | undefined,
  content: ReadonlyArray<string>
): CommandIdentity => ({
  ...commandIdentity(operation, operator, idempotencyKey, content),
  byOperator: true
})

/** Plans to read the recorded outcome, if there can be one. */
export const planOutcome = (plan: LoadPlan, { commandId, fingerprint }: CommandIdentity): void => {
  if (fingerprint !== undefined) plan.outcomes.add(commandId)
}

/** The result of a command, and whether an earlier call recorded it. */
export interface Outcome<A, E> {
  readonly result: Result.Result<A, E | IdempotencyConflict>
  readonly replayed: boolean
}

/**
 * Gives the recorded outcome, or decides and records. `decide` evolves the rows if it succeeds, and
 * changes none if it fails. `fromEffects` gives the outcome of a command whose record has been cleared,
 * from the rows that it made: see {@link submitOnce}.
 */
export const runOnce = <A, E>(
  rows: Rows,
  command: CommandIdentity,
  decide: () => Result.Result<A, E>,
  fromEffects: () => OutcomeFromEffects<A> | undefined = () => undefined
): Outcome<A, E> =>
  recordedOutcome(rows, command) ??
  recordFromEffects(rows, command, fromEffects()) ??
  recordOutcome(rows, command, decide())

/** An outcome read from the rows that a command made; a conflict if another command made them. */
export type OutcomeFromEffects<A> = Result.Result<A, IdempotencyConflict>

/** Records an outcome that was read from the rows that the command made. */
export const recordFromEffects = <A>(
  rows: Rows,
  command: CommandIdentity,
  found: OutcomeFromEffects<A> | undefined
): Outcome<A, never> | undefined =>
  found && { ...recordOutcome(rows, command, found), replayed: Result.isSuccess(found) }

/**
 * Submits a command that makes rows with its own id. Such a row can exist although no outcome is
 * recorded: the outcome is past its retention, or an operator has deleted it. Then the command is
 * submitted again and loads that row, to read its outcome from it. If that fails, another command of
 * the same key made the row.
 */
export const submitOnce = <C extends { readonly plan: (plan: LoadPlan) => void }, A>(
  submit: (command: C) => Effect.Effect<A, Overloaded | StoreUnavailable>,
  command: C,
  planMade: (plan: LoadPlan) => void
): Effect.Effect<A, Overloaded | StoreUnavailable | IdempotencyConflict> => {
  const plan = (loadPlan: LoadPlan) => {
    command.plan(loadPlan)
    planMade(loadPlan)
  }
  return Effect.catchIf(submit(command), isTaken, () =>
    Effect.catchIf(submit({ ...command, plan }), isTaken, (error) =>
      // A host's transaction may not see the row: only a new transaction can.
      Effect.fail(
        error.cause instanceof HostTransactionConflict ? error : new IdempotencyConflict()
      )
    )
  )
}

const isTaken = (error: Overloaded | StoreUnavailable): error is StoreUnavailable =>
  error._tag === "StoreUnavailable" && error.isTaken === true

/** The recorded outcome, if there is one. */
export const recordedOutcome = (
  rows: Rows,
  command: CommandIdentity
): Outcome<never, never> | undefined => {
  const recorded = rows.outcomes.get(command.commandId)
  if (recorded === undefined) return undefined
  // Guard key-fingerprint: with "true" for "recorded…command.fingerprint", idempotency.test "with another request" fails.
  return recorded.fingerprint === command.fingerprint
    ? { result: decodeOutcome(recorded.outcome), replayed: true }
    : { result: Result.fail(new IdempotencyConflict()), replayed: false }
}

/** Records the first outcome, and gives it. */
export const recordOutcome = <A, E>(
  rows: Rows,
  command: CommandIdentity,
  result: Result.Result<A, E>
): Outcome<A, E> => {
  const { commandId, userId, operation, fingerprint } = command
  // A denial by the gate is not the command's own outcome: the same key may pass the next time.
  const isAnswer =
    Result.isSuccess(result) || isRecordable(result.failure, command.byOperator === true)
  // Guard key-records-answers: without " && isAnswer", idempotency.test "but not the refusal" fails.
  if (fingerprint !== undefined && isAnswer) {
    rows.addOutcome({ commandId, userId, operation, fingerprint, outcome: encodeOutcome(result) })
  }
  return { result, replayed: false }
}

/** Hands the outcome to the caller. */
export const toEffect = <A, E>(
  settled: Outcome<A, E>,
  options: CommandOptions
): Effect.Effect<A, E | IdempotencyConflict> => {
  const given = Effect.fromResult(settled.result)
  return settled.replayed ? Effect.andThen(callOnReplay(options.onReplay), given) : given
}

// The outcome stands whatever the host's function does.
const callOnReplay = (onReplay: CommandOptions["onReplay"]): Effect.Effect<void> =>
  Effect.suspend(() => {
    try {
      handleDropped(onReplay?.())
      return Effect.void
    } catch (cause) {
      return Effect.logError("onReplay threw", cause)
    }
  })

// Outcomes are plain data except for bigints, dates and the class of an error. This JSON gives exactly
// the same value back, which the wire format (integers) would not. The replacer reads `this[key]`,
// since JSON.stringify turns a date into text before it calls.

function replacer(this: Record<string, unknown>, key: string, value: unknown): unknown {
  const original = this[key]
  if (typeof original === "bigint") return { $bigint: original.toString() }
  if (original instanceof Date) return { $date: original.getTime() }
  // Money has a JSON form of its own: the record keeps its fields as they are.
  return isMoney(original) ? { ...original } : value
}

const reviver = (_key: string, value: unknown): unknown => {
  if (typeof value !== "object" || value === null) return value
  if ("$bigint" in value) return BigInt(value.$bigint as string)
  if ("$date" in value) return new Date(value.$date as number)
  return isMoney(value) ? money(value.amount, value.currency) : value
}

const isMoney = (value: unknown): value is Money =>
  typeof value === "object" &&
  value !== null &&
  "currency" in value &&
  "amount" in value &&
  typeof value.amount === "bigint"

const encodeOutcome = (result: Result.Result<unknown, unknown>): string =>
  Result.isSuccess(result)
    ? JSON.stringify({ success: result.success }, replacer)
    : JSON.stringify({ failure: { ...(result.failure as object) } }, replacer)

const decodeOutcome = (text: string): Result.Result<never, never> => {
  const outcome = JSON.parse(text, reviver)
  if ("success" in outcome) return Result.succeed(outcome.success) as Result.Result<never, never>
  const { _tag, ...fields } = outcome.failure
  return Result.fail(recordedError(_tag, fields)) as Result.Result<never, never>
}
