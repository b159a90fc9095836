/** Asks the policies of a host, and takes no answer that would do harm. Pure if they are. */
import { Result } from "effect"
import { maxAmount } from "../Money.ts"
import { handleDropped } from "./dropped.ts"
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
/** More than any hold has seats. */
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

/** How many seats may be held. */
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
  /** What each seat costs; `undefined` for what the catalogue says. */
  readonly prices: ReadonlyArray<bigint> | undefined
}

/** For how long seats are held, and at which prices. */
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
    prices.length === count &&
    (prices as ReadonlyArray<unknown>).every((price) => isAmount(price, priceMax))
      ? undefined
      : `${count} prices as bigint from 0 to 2^53-1`
  )
}

/** The most that a wallet may contain. */
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

/** How much of a payment is given back, or why it is not. */
export const askRefund = (
  { refund }: Pick<PolicyOptions, "refund">,
  request: () => RefundRequest
): Result.Result<RefundDecision, PolicyFailed> =>
  asking(() => {
    const asked = request()
    const paid = asked.amount.amount
    if (refund === undefined) return { amount: paid }
    const decision = ask("refund", refund, asked, (answer) =>
      isRefusal(answer) || isRefundOf(answer, paid)
        ? undefined
        : "{ refused } with a reason, or { amount } as a bigint from 0 to what was paid"
    )
    return "refused" in decision ? { refused: decision.refused } : { amount: decision.amount }
  })

/** How many to let in: never more than there is room for. */
export const askAdmission = (
  { admission }: Pick<PolicyOptions, "admission">,
  request: AdmissionRequest
): Result.Result<number, PolicyFailed> => {
  // Taken out before: the request is the policy's to change.
  const { room } = request
  if (admission === undefined) return Result.succeed(room)
  return asking(() => {
    const asked = ask("admission", admission, request, isNumber)
    return Math.min(room, Math.max(0, Math.floor(asked)))
  })
}

/** What is wrong with an answer, as what was expected of it; `undefined` where nothing is. */
type Check = (answer: unknown) => string | undefined

const isBoolean: Check = (answer) => (typeof answer === "boolean" ? undefined : "true or false")
const isNumber: Check = (answer) =>
  typeof answer === "number" && !Number.isNaN(answer) ? undefined : "a number"
const isCount =
  (from: number): Check =>
  (answer) =>
    Number.isInteger(answer) && (answer as number) >= from && (answer as number) <= countMax
      ? undefined
      : `a whole number from ${from} to ${countMax}`

const isAmount = (amount: unknown, most: bigint): boolean =>
  typeof amount === "bigint" && amount >= 0n && amount <= most
const isRefusal = (answer: unknown): boolean =>
  hasOnly(answer, "refused") &&
  typeof answer.refused === "string" &&
  answer.refused.length >= 1 &&
  answer.refused.length <= reasonLengthMax
const isRefundOf = (answer: unknown, paid: bigint): boolean =>
  hasOnly(answer, "amount") && isAmount(answer.amount, paid)
const hasOnly = <Name extends string>(
  answer: unknown,
  name: Name
): answer is Readonly<Record<Name, unknown>> =>
  typeof answer === "object" && answer !== null && Object.keys(answer).join() === name

const ask = <Request, Answer>(
  policy: PolicyName,
  rule: (request: Request) => Answer,
  request: Request,
  check: Check
): Answer => {
  const failed = (reason: string, cause?: unknown) => new PolicyFailed({ policy, reason, cause })
  // A batch notes no stacks, but who wrote the policy wants to know where it threw.
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
    // Looked at once: what is read of it later is what was checked.
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
  // A promise has no fields of its own, and is none of the answers either way.
  return { ...answer }
}

/** Enough to recognise an answer by, and nothing of what is in it. */
const nameOf = (answer: unknown): string => {
  if (typeof answer === "number" || typeof answer === "bigint") return String(answer)
  if (answer instanceof Promise) return "a promise"
  return Array.isArray(answer) ? "an array" : answer === null ? "null" : typeof answer
}

const asking = <A>(questions: () => A): Result.Result<A, PolicyFailed> => {
  try {
    return Result.succeed(questions())
  } catch (error) {
    if (error instanceof PolicyFailed) return Result.fail(error)
    throw error
  }
}
