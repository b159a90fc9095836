/** I5: the same key gives the same answer, whichever node is asked, and how often and how late. */
import type { Call } from "../history.ts"
import { type Evidence, okOf, told } from "./evidence.ts"
import type { Judge } from "./judge.ts"

/** Nothing was decided under the key: another request with it may be let in. */
const isUndecided = ({ code = "" }: Call): boolean =>
  ["overloaded", "not_sent", "draining", "policy_failed"].includes(code) ||
  code.startsWith("queue_token_")

export const checkKeys = ({ commands }: Evidence, judge: Judge): void => {
  for (const command of commands) {
    const [first, ...others] = okOf(command)
    for (const other of others) {
      const isSame = JSON.stringify(other.result) === JSON.stringify(first!.result)
      judge.expect(
        "I5",
        isSame,
        () =>
          `${told(first!)} and ${told(other)} have one key and two answers: ${JSON.stringify(first!.result)}, ${JSON.stringify(other.result)}`
      )
    }
    const refusals = command.calls.filter((call) => call.outcome === "fail")
    for (const refusal of refusals) {
      judge.expect(
        "I5",
        refusal.code !== "idempotency_key_reused",
        () => `${told(refusal)} was told that its key is another request's`
      )
      if (first === undefined) continue
      const comesAfter = refusal.invokedAt > first.endedAt
      const comesBefore = refusal.endedAt < first.invokedAt
      const contradicts = comesAfter ? !isPassing(refusal) : comesBefore && !isUndecided(refusal)
      judge.expect(
        "I5",
        !contradicts,
        () =>
          `${told(refusal)} was refused (${refusal.code}), and ${told(first)} of the same key was not`
      )
    }
    const codes = new Set(refusals.filter((call) => !isUndecided(call)).map(({ code }) => code))
    judge.expect(
      "I5",
      codes.size <= 1,
      () => `${told(command.calls[0]!)}: one key, several refusals: ${[...codes]}`
    )
  }
}

/** Whatever was recorded, these are said before the record is read. */
const isPassing = ({ code = "" }: Call): boolean =>
  ["overloaded", "not_sent", "draining"].includes(code)
