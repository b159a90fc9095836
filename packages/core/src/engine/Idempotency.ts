/**
 * A command that carries an idempotency key takes effect once. Its first answer, refusals
 * included, is recorded in the transaction that made it, and is given again for as long as the policy
 * `idempotencyKeySeconds` says.
 */
import { createHash } from "node:crypto"
import { Effect, Result } from "effect"
import { IdempotencyConflict, type Overloaded, type StoreUnavailable } from "../Errors.ts"
import { HostTransactionConflict } from "../HostTransaction.ts"
import type { CommandId, UserId } from "../Ids.ts"
import { type Money, money } from "../Money.ts"
import { handleDropped } from "../policies/dropped.ts"
import { commandIdOf, newCommandId } from "./CommandIds.ts"
import type { LoadPlan } from "./LoadPlan.ts"
import type { Rows } from "./Rows.ts"
import { isRecordable, recordedError } from "./TaggedError.ts"

/** What every command accepts beside its own input. */
export interface CommandOptions {
  /** 1 to 255 visible ASCII characters. The same key gives the same answer, and one effect. */
  readonly idempotencyKey?: string | undefined
  /** Called when the answer is a recorded one. */
  readonly onReplay?: (() => void) | undefined
}

/** Which command this is, and what it asks for. */
export interface CommandIdentity {
  readonly commandId: CommandId
  readonly userId: UserId
  readonly operation: string
  /** `undefined` where no key was given and so nothing is recorded. */
  readonly fingerprint: string | undefined
  /** Whether an operator gave it: no gate has a say, so that every refusal is its own answer. */
  readonly byOperator?: true
}

/** Whose idempotency keys those of operators are: all operators are one. */
const operator = "operator" as UserId

/** Names a command: by its key where it has one, afresh where it has none. */
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
        fingerprint: createHash("sha256").update(JSON.stringify(content)).digest("base64url")
      }

/** Names an operator's command, as {@link commandIdentity} names a user's. */
export const operatorCommandIdentity = (
  operation: string,
  idempotencyKey: string | undefined,
  content: ReadonlyArray<string>
): CommandIdentity => ({
  ...commandIdentity(operation, operator, idempotencyKey, content),
  byOperator: true
})

/** Names the recorded answer among the rows of a batch, where there may be one. */
export const planOutcome = (plan: LoadPlan, { commandId, fingerprint }: CommandIdentity): void => {
  if (fingerprint !== undefined) plan.outcomes.add(commandId)
}

/** An answer, and whether it was recorded before. */
export interface Outcome<A, E> {
  readonly result: Result.Result<A, E | IdempotencyConflict>
  readonly replayed: boolean
}

/**
 * Gives the recorded answer, or decides and records. `decide` lets its events take effect on the
 * rows where it succeeds, and on none where it fails. `retell` gives the answer of a command that
 * was done, and whose record has been cleared since, from what it has left: see {@link submitOnce}.
 */
export const runOnce = <A, E>(
  rows: Rows,
  command: CommandIdentity,
  decide: () => Result.Result<A, E>,
  retell: () => OutcomeFromEffects<A> | undefined = () => undefined
): Outcome<A, E> =>
  recordedOutcome(rows, command) ??
  recordFromEffects(rows, command, retell()) ??
  recordOutcome(rows, command, decide())

/** What a command has left behind, as its answer; a conflict where it was another command. */
export type OutcomeFromEffects<A> = Result.Result<A, IdempotencyConflict>

/** Records what was retold. */
export const recordFromEffects = <A>(
  rows: Rows,
  command: CommandIdentity,
  retold: OutcomeFromEffects<A> | undefined
): Outcome<A, never> | undefined =>
  retold && { ...recordOutcome(rows, command, retold), replayed: Result.isSuccess(retold) }

/**
 * Submits a command, which makes what bears its id, once. Where that is there already, though no
 * answer is recorded (its time is over, or an operator has deleted it), it is submitted again with
 * what is there, to be told from that. What cannot be told is another command's of the same key.
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
      // A host's transaction may not see what is there: only a new one tells.
      Effect.fail(
        error.cause instanceof HostTransactionConflict ? error : new IdempotencyConflict()
      )
    )
  )
}

const isTaken = (error: Overloaded | StoreUnavailable): error is StoreUnavailable =>
  error._tag === "StoreUnavailable" && error.isTaken === true

/** The recorded answer, where there is one. */
export const recordedOutcome = (
  rows: Rows,
  command: CommandIdentity
): Outcome<never, never> | undefined => {
  const recorded = rows.outcomes.get(command.commandId)
  if (recorded === undefined) return undefined
  return recorded.fingerprint === command.fingerprint
    ? { result: decodeOutcome(recorded.outcome), replayed: true }
    : { result: Result.fail(new IdempotencyConflict()), replayed: false }
}

/** Records the first answer, and gives it. */
export const recordOutcome = <A, E>(
  rows: Rows,
  command: CommandIdentity,
  result: Result.Result<A, E>
): Outcome<A, E> => {
  const { commandId, userId, operation, fingerprint } = command
  // A refusal at the gate is not the command's own answer: it may be let in the next time.
  const isAnswer =
    Result.isSuccess(result) || isRecordable(result.failure, command.byOperator === true)
  if (fingerprint !== undefined && isAnswer) {
    rows.record({ commandId, userId, operation, fingerprint, outcome: encodeOutcome(result) })
  }
  return { result, replayed: false }
}

/** Hands a settled answer to the caller. */
export const toEffect = <A, E>(
  settled: Outcome<A, E>,
  options: CommandOptions
): Effect.Effect<A, E | IdempotencyConflict> => {
  const given = Effect.fromResult(settled.result)
  return settled.replayed ? Effect.andThen(callOnReplay(options.onReplay), given) : given
}

// The answer stands, whatever the host's function does.
const callOnReplay = (onReplay: CommandOptions["onReplay"]): Effect.Effect<void> =>
  Effect.suspend(() => {
    try {
      handleDropped(onReplay?.())
      return Effect.void
    } catch (cause) {
      return Effect.logError("onReplay threw", cause)
    }
  })

// Answers are plain data, but for bigints, dates and the class of an error. They are recorded as
// JSON that gives exactly the same value back, which the wire format (integers) would not.
// `this[key]` is asked, since JSON.stringify has turned a date into text before it calls.

function replacer(this: Record<string, unknown>, key: string, value: unknown): unknown {
  const original = this[key]
  if (typeof original === "bigint") return { $bigint: original.toString() }
  if (original instanceof Date) return { $date: original.getTime() }
  // Money writes itself in another way: its fields are recorded as they are.
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
