/**
 * I14: once the faults have ended, every node is ready, every client is served, and every event
 * arrives, each within its time. No call waits for ever, and every answer is a typed one. I11: no
 * deadlocks.
 */
import { type Evidence, told } from "./evidence.ts"
import type { Judge } from "./judge.ts"

export const checkProgress = ({ history, facts, calls }: Evidence, judge: Judge): void => {
  judge.expect("I14", history.progress.length > 0, () => "the run never came to its end")
  for (const { progress, reached, tookMs, limitMs } of history.progress) {
    judge.expect(
      "I14",
      reached,
      () => `not within ${limitMs} ms, but after ${tookMs} or never: ${progress}`
    )
  }
  for (const call of calls) {
    judge.expect(
      "I14",
      call.code !== "timeout" && Number.isFinite(call.endedAt),
      () => `${told(call)} got no answer within ${history.run.timeoutMs} ms`
    )
    const isTyped = call.code !== "internal_error" && !call.code?.startsWith("status_")
    judge.expect("I14", isTyped, () => `${told(call)} was answered ${call.code}`)
  }
  const deadlocks = facts.log.find(({ text }) => text === "deadlock detected")?.count ?? 0
  judge.expect("I11", deadlocks === 0, () => `Postgres has found ${deadlocks} deadlocks`)
}

/** The checks of `boxoffice verify`. Some compare instants, which a clock that was set leaves in no order. */
export const checkVerified = ({ facts, wasClockSet }: Evidence, judge: Judge): void => {
  const byTime = ["I8", "I12", "I13"]
  for (const { invariant, meaning, violations } of facts.verified) {
    if (wasClockSet && byTime.includes(invariant)) continue
    judge.expect(
      invariant,
      violations === 0,
      () => `boxoffice verify: ${meaning}: ${violations} violations`
    )
  }
}
