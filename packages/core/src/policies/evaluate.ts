/**
 * Calls the policy functions of a host and checks what they return: a value that is not allowed
 * becomes `PolicyFailed`. Pure if the policies are.
 */
import { Result } from "effect"
import { handleDropped } from "../engine/droppedPromises.ts"
import { maxAmount } from "../Money.ts"
import { PolicyFailed, type PolicyName } from "./errors.ts"
import type {
  AdmissionRequest,
  ChargeRequest,
  GateRequest,
  HoldRequest,
  PolicyOptions,
  RefundDecision,
  RefundRequest
} from "./rules.ts"

const countMax = 2_147_483_647
const priceMax = 2n ** 53n - 1n
const reasonLengthMax = 500
/** The most prices that are copied; more than any hold has seats. */
const pricesMax = 100_000

/** Whether a call needs a queue token. */
export const askGate = (
  gate: PolicyOptions["gate"],
  call: GateRequest
): Result.Result<boolean, PolicyFailed> =>
  typeof gate === "function"
    ? asking(() => ask("gate", gate, call, isBoolean))
    : Result.succeed(gate.includes(call.operation))

export interface HoldLimits {
  readonly seatsPerReservation: number
  readonly seatsPerUser: number
}

/** How many seats a hold may have, and a user in all. */
export const askHoldLimits = (
  policies: Pick<PolicyOptions, keyof HoldLimits>,
  request: () => HoldRequest
): Result.Result<HoldLimits, PolicyFailed> => {
  const limit = (policy: keyof HoldLimits): number => {
    const rule = policies[policy]
    return typeof rule === "function" ? ask(policy, rule, request(), isCount(0)) : rule
  }
  return asking(() => ({
    seatsPerReservation: limit("seatsPerReservation"),
    seatsPerUser: limit("seatsPerUser")
  }))
}

export interface HoldTerms {
  readonly holdSeconds: number
  /** The price of each seat; `undefined` for the catalogue's prices. */
  readonly prices: ReadonlyArray<bigint> | undefined
}

/** How long a hold lasts, and the prices of its seats. */
export const askHoldTerms = (
  { holdSeconds, price }: Pick<PolicyOptions, "holdSeconds" | "price">,
  request: () => HoldRequest
): Result.Result<HoldTerms, PolicyFailed> =>
  asking(() => ({
    holdSeconds:
      typeof holdSeconds === "function"
        ? ask("holdSeconds", holdSeconds, request(), isCount(1))
        : holdSeconds,
    prices: price && askPrices(price, request())
  }))

const askPrices = (rule: NonNullable<PolicyOptions["price"]>, request: HoldRequest) => {
  const count = request.seats.length
  return ask("price", rule, request, (prices) =>
    Array.isArray(prices) &&
    // Guard policy-prices: without it, policies.test "that gives nonsense" fails.
    prices.length === count &&
    (prices as ReadonlyArray<unknown>).every((price) => isAmount(price, priceMax))
      ? undefined
      : `${count} prices as bigint from 0 to 2^53-1`
  )
}

/** The most that a wallet may contain after a charge. */
export const askWalletCeiling = (
  { walletCeiling }: Pick<PolicyOptions, "walletCeiling">,
  request: () => ChargeRequest
): Result.Result<bigint, PolicyFailed> =>
  typeof walletCeiling === "function"
    ? asking(() =>
        ask("walletCeiling", walletCeiling, request(), (ceiling) =>
          isAmount(ceiling, maxAmount) ? undefined : "a bigint from 0 to 2^63-1"
        )
      )
    : Result.succeed(walletCeiling)

/** How much of a payment the wallet gets back, or why the policy refuses. */
export const askRefund = (
  { refund }: Pick<PolicyOptions, "refund">,
  request: () => RefundRequest
): Result.Result<RefundDecision, PolicyFailed> =>
  asking(() => {
    const payment = request()
    const paid = payment.amount.amount
    if (refund === undefined) return { amount: paid }
    const decision = ask("refund", refund, payment, (answer) =>
      isRefusal(answer) || isRefundOf(answer, paid)
        ? undefined
        : "{ refused } with a reason, or { amount } as a bigint from 0 to what was paid"
    )
    return "refused" in decision ? { refused: decision.refused } : { amount: decision.amount }
  })

/** How many users to admit: never more than `room`. */
export const askAdmission = (
  { admission }: Pick<PolicyOptions, "admission">,
  request: AdmissionRequest
): Result.Result<number, PolicyFailed> => {
  // Read before the call: the policy may change its request.
  const { room } = request
  if (admission === undefined) return Result.succeed(room)
  return asking(() => {
    const asked = ask("admission", admission, request, isNumber)
    // Guard admission-room: with "(Math" for "Math.min(room, Math", policies.test ", which admits" fails.
    return Math.min(room, Math.max(0, Math.floor(asked)))
  })
}

/** Describes the expected answer if this one is wrong; `undefined` if it is right. */
type Check = (answer: unknown) => string | undefined

const isBoolean: Check = (answer) => (typeof answer === "boolean" ? undefined : "true or false")
const isNumber: Check = (answer) =>
  typeof answer === "number" && !Number.isNaN(answer) ? undefined : "a number"
const isCount =
  (from: number): Check =>
  (answer) =>
    // Guard policy-count: without " && (answer as…countMax", policies.test "gives nonsense" fails.
    Number.isInteger(answer) && (answer as number) >= from && (answer as number) <= countMax
      ? undefined
      : `a whole number from ${from} to ${countMax}`

const isAmount = (amount: unknown, most: bigint): boolean =>
  // Guard policy-amount: without " && amount <= most", policies.test "that gives nonsense" fails.
  typeof amount === "bigint" && amount >= 0n && amount <= most
const isRefusal = (answer: unknown): boolean =>
  hasOnly(answer, "refused") &&
  typeof answer.refused === "string" &&
  answer.refused.length >= 1 &&
  // Guard policy-reason: with "true" for "answer…reasonLengthMax", policies.test "where it gives nonsense" fails.
  answer.refused.length <= reasonLengthMax
const isRefundOf = (answer: unknown, paid: bigint): boolean =>
  hasOnly(answer, "amount") && isAmount(answer.amount, paid)
const hasOnly = <Name extends string>(
  answer: unknown,
  name: Name
): answer is Readonly<Record<Name, unknown>> =>
  typeof answer === "object" && answer !== null && Object.keys(answer).join() === name

/**
 * Calls a policy function. Throws `PolicyFailed` if it throws, or returns a value that is not
 * allowed.
 */
const ask = <Request, Answer>(
  policy: PolicyName,
  rule: (request: Request) => Answer,
  request: Request,
  check: Check
): Answer => {
  const failed = (reason: string, cause?: unknown) => new PolicyFailed({ policy, reason, cause })
  // A batch records no stacks, to save time, but the author of a policy needs to see where it
  // threw.
  const limit = Error.stackTraceLimit
  Error.stackTraceLimit = 10
  let answer: Answer
  try {
    answer = rule(request)
  } catch (cause) {
    throw failed("threw", cause)
  } finally {
    Error.stackTraceLimit = limit
  }
  let reason: string
  try {
    // Copies the answer before the check, so that getters cannot give another value afterwards.
    const copy = copyOf(answer)
    const expected = check(copy)
    if (expected === undefined) return copy
    reason = `gave ${nameOf(answer)}, and not ${expected}`
  } catch (cause) {
    handleDropped(answer)
    throw failed("gave what throws when it is looked at", cause)
  }
  handleDropped(answer)
  throw failed(reason)
}

const copyOf = <Answer>(answer: Answer): Answer => {
  if (typeof answer !== "object" || answer === null) return answer
  if (Array.isArray(answer)) return Array.from(answer.slice(0, pricesMax)) as Answer
  // A promise has no fields of its own, so its copy is never a valid answer.
  return { ...answer }
}

/** Describes an answer by its type alone, since its contents can be confidential. */
const nameOf = (answer: unknown): string => {
  if (typeof answer === "number" || typeof answer === "bigint") return String(answer)
  if (answer instanceof Promise) return "a promise"
  return Array.isArray(answer) ? "an array" : answer === null ? "null" : typeof answer
}

/** Turns a thrown `PolicyFailed` into a failure. */
const asking = <A>(calls: () => A): Result.Result<A, PolicyFailed> => {
  try {
    return Result.succeed(calls())
  } catch (error) {
    if (error instanceof PolicyFailed) return Result.fail(error)
    throw error
  }
}
