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
  for (const { call, node, beganAt, endedAt } of world.network.served) {
    const tookMs = (endedAt ?? world.machine.elapsed()) - beganAt
    if (tookMs <= answerWithinMs) continue
    const answered = endedAt === undefined ? "has not answered" : "answered"
    find("I14", `${node} ${answered} #${call.number} ${call.operation} after ${tookMs} ms`)
  }
  for (const { number, operation, outcome } of world.history.calls) {
    if (outcome?._tag !== "unknown") continue
    if (/deadlock/.test(outcome.why)) find("I11", `#${number}: ${outcome.why}`)
    if (
      outcome.why.startsWith("a defect") &&
      !world.plan.steps.some((step) => step.do === "hostThrows")
    ) {
      find("defect", `#${number} ${operation}: ${outcome.why}`)
    }
  }
  for (const name of world.violations)
    if (!isSharedKey(name)) find("guard", `${name} refused a write`)
  for (const text of unfinished(world)) find("I14", text)
  return findings
}
