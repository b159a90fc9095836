/** I14, I11 and the guards: whoever can be served is served, every call is answered, no loop ends. */
import { isSharedKey } from "@boxoffice/core/store"
import { answerWithinMs } from "../Network.ts"
import type { Facts, Finding } from "./facts.ts"
import { unfinished } from "./unfinished.ts"

export const checkProgress = ({ world }: Facts): ReadonlyArray<Finding> => {
  const findings: Array<Finding> = []
  const find = (invariant: string, text: string) => findings.push({ invariant, text })
  for (const { step, end } of world.visits) {
    if (end !== undefined && end !== "gaveUp") continue
    find("I14", `u${step.user} (${step.manner}, step ${step.id}) was not served`)
  }
  for (const { number, operation, user, outcome, endedAt, beganAt } of world.history.calls) {
    const hasNone = outcome === undefined || (outcome._tag === "unknown" && outcome.why === "no answer")
    if (hasNone && !world.network.wasLost(number)) {
      find("I14", `#${number} ${operation} of ${user} got no answer`)
    } else if (endedAt - beganAt > answerWithinMs && !world.network.wasLost(number)) {
      find("I14", `#${number} ${operation} of ${user} took ${endedAt - beganAt} ms`)
    }
    if (outcome?._tag !== "unknown") continue
    if (/deadlock/.test(outcome.why)) find("I11", `#${number}: ${outcome.why}`)
    if (outcome.why.startsWith("a defect") && !world.plan.steps.some((step) => step.do === "hostThrows")) {
      find("defect", `#${number} ${operation}: ${outcome.why}`)
    }
  }
  for (const name of world.violations) if (!isSharedKey(name)) find("guard", `${name} refused a write`)
  for (const text of unfinished(world)) find("I14", text)
  return findings
}
