/** Checks the policies of a host when the engine is made, so that mistakes show before any call. */
import { Cause, Effect, Result, Schema } from "effect"
import { toRequestInvalid } from "../engine/input.ts"
import { PoliciesInvalid } from "./errors.ts"
import { askAdmission } from "./evaluate.ts"
import type { AdmissionRequest, PolicyOptions } from "./rules.ts"
import { defaultPolicies, PolicySettings } from "./settings.ts"

// A policy of the first list is a value or a function; one of the second is a function or left out.
const valueOrFunction = [
  "holdSeconds",
  "gate",
  "seatsPerReservation",
  "seatsPerUser",
  "walletCeiling"
] as const
const functionOnly = ["price", "refund", "admission"] as const

/** Old names of settings: a host that still uses one gets the new name in the error. */
const renamed: Readonly<Record<string, string>> = {
  catalogFreshMs: "catalogMaxAgeMs",
  gateFreshMs: "gateMaxAgeMs",
  queueFreshMs: "queueMaxAgeMs",
  awayMs: "staleIfStoreDownMs"
}

const decode = Schema.decodeUnknownResult(Schema.toType(PolicySettings), {
  errors: "all",
  // The engine would silently ignore a policy whose name is misspelt.
  onExcessProperty: "error"
})

/** The policies completed by the defaults, or `PoliciesInvalid` with every problem. */
export const checkPolicies = (
  policies: Partial<PolicyOptions>
): Effect.Effect<PolicyOptions, PoliciesInvalid> =>
  Effect.suspend(() => {
    const values: Record<string, unknown> = { ...defaultPolicies, ...policies }
    for (const name of valueOrFunction) {
      if (typeof values[name] === "function") values[name] = defaultPolicies[name]
    }
    const errors: Array<{ readonly path: string; readonly message: string }> = []
    for (const name of functionOnly) {
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
 * Wraps the admission policy so that a failure is logged, once a minute at most. A faulty admission
 * policy admits no users and fails no call, so the log is where an operator sees it.
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
        log(Effect.logError("no user is admitted", Cause.fail(asked.failure)))
      }
      return 0
    }
    return { ...policies, admission: reported }
  })
