/** Checks the policies that an engine is made with, before anything is done by them. */
import { Cause, Effect, Result, Schema } from "effect"
import { toRequestInvalid } from "../engine/input.ts"
import { defaultPolicies, PolicySettings } from "../Policies.ts"
import { PoliciesInvalid } from "./errors.ts"
import { askAdmission } from "./evaluate.ts"
import type { AdmissionRequest, PolicyOptions } from "./rules.ts"

// Where a value will do, a function will, too; and these are functions or left out.
const eitherWay = [
  "holdSeconds",
  "gate",
  "seatsPerReservation",
  "seatsPerUser",
  "walletCeiling"
] as const
const functionsAlone = ["price", "refund", "admission"] as const

/** What settings were called before: a host that still uses such a name reads the new one. */
const renamed: Readonly<Record<string, string>> = {
  catalogFreshMs: "catalogMaxAgeMs",
  gateFreshMs: "gateMaxAgeMs",
  queueFreshMs: "queueMaxAgeMs",
  awayMs: "staleIfStoreDownMs"
}

const decode = Schema.decodeUnknownResult(Schema.toType(PolicySettings), {
  errors: "all",
  // A policy whose name is misspelt would silently be none.
  onExcessProperty: "error"
})

/** The policies with what was left out, or every problem that they have. */
export const checkPolicies = (
  policies: Partial<PolicyOptions>
): Effect.Effect<PolicyOptions, PoliciesInvalid> =>
  Effect.suspend(() => {
    const values: Record<string, unknown> = { ...defaultPolicies, ...policies }
    for (const name of eitherWay) {
      if (typeof values[name] === "function") values[name] = defaultPolicies[name]
    }
    const errors: Array<{ readonly path: string; readonly message: string }> = []
    for (const name of functionsAlone) {
      if (values[name] !== undefined && typeof values[name] !== "function") {
        errors.push({ path: name, message: "expected a function" })
      }
      delete values[name]
    }
    for (const [before, now] of Object.entries(renamed)) {
      if (!(before in values)) continue
      errors.push({ path: before, message: `is called ${now} now` })
      delete values[before]
    }
    const decoded = decode(values)
    if (Result.isFailure(decoded)) errors.push(...toRequestInvalid(decoded.failure).errors)
    return errors.length > 0
      ? Effect.fail(new PoliciesInvalid({ errors }))
      : Effect.succeed({ ...defaultPolicies, ...policies })
  })

const msBetweenReports = 60_000

/**
 * Logs that an admission policy is faulty, once a minute at most: it lets nobody in, and nobody
 * would notice but those who wait.
 */
export const reportAdmission = (policies: PolicyOptions): Effect.Effect<PolicyOptions> =>
  Effect.map(Effect.context<never>(), (context) => {
    const { admission } = policies
    if (admission === undefined) return policies
    const log = Effect.runForkWith(context)
    let reportedAt = Number.NEGATIVE_INFINITY
    const reported = (request: AdmissionRequest): number => {
      const at = request.now.getTime()
      const asked = askAdmission({ admission }, request)
      if (Result.isSuccess(asked)) return asked.success
      if (at - reportedAt >= msBetweenReports) {
        reportedAt = at
        log(Effect.logError("nobody is let in", Cause.fail(asked.failure)))
      }
      return 0
    }
    return { ...policies, admission: reported }
  })
