/** The engine's policies. See `policies/settings.ts` for the values, `policies/rules.ts` for functions. */
import { Context } from "effect"
import type { PolicyOptions } from "./policies/rules.ts"
import { defaultPolicies } from "./policies/settings.ts"

export * from "./policies/settings.ts"

/** The engine's policies. A host replaces them with a layer, or by the options of `layerOf`. */
export const Policies = Context.Reference<PolicyOptions>("@boxoffice/core/Policies", {
  defaultValue: () => defaultPolicies
})
