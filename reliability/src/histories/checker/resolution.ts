/** What became of the calls whose outcome was unknown to their clients. */
import type { Call } from "../history.ts"
import type { Evidence } from "./evidence.ts"

export type Resolution =
  | "had taken effect"
  | "had not taken effect"
  | "had been refused"
  | "by the rows: took effect"
  | "by the rows: did not"
  | "changes nothing"
  | "was not asked about again"

const readsOnly = new Set(["poll", "watch", "seats", "reservation", "balance", "queue", "notice"])

export const resolutionsOf = (evidence: Evidence): ReadonlyMap<Resolution, number> => {
  const counts = new Map<Resolution, number>()
  const ofKey = new Map(
    evidence.commands.flatMap((command) => command.calls.map((call) => [call.call, command.calls]))
  )
  for (const call of evidence.calls) {
    if (call.outcome !== "unknown") continue
    const resolution = resolve(evidence, call, ofKey.get(call.call) ?? [])
    counts.set(resolution, (counts.get(resolution) ?? 0) + 1)
  }
  return counts
}

/** By the next answer to the same key: a recorded one says that an earlier request was decided. */
const resolve = (evidence: Evidence, call: Call, sameKey: ReadonlyArray<Call>): Resolution => {
  if (readsOnly.has(call.operation)) return "changes nothing"
  if (call.key === undefined) {
    return tookEffect(evidence, call) ? "by the rows: took effect" : "by the rows: did not"
  }
  const next = sameKey.find(
    (other) => other.invokedAt > call.invokedAt && other.outcome !== "unknown"
  )
  if (next === undefined) {
    const isKnown = sameKey.some(({ outcome }) => outcome === "ok")
    return isKnown ? "had taken effect" : "was not asked about again"
  }
  if (!next.replayed) return "had not taken effect"
  return next.outcome === "ok" ? "had taken effect" : "had been refused"
}

const tookEffect = ({ facts, calls, reservations }: Evidence, call: Call): boolean => {
  if (call.operation === "release") {
    return reservations.get(call.input.reservationId!)?.status === "released"
  }
  if (call.operation === "leave") {
    return facts.tokens.some(({ id, state }) => id === call.input.tokenId && state === "left")
  }
  if (call.operation !== "join") return false
  const ofUser = calls.filter(
    (other) => other.user === call.user && other.input.queueId === call.input.queueId
  )
  const known = (when: (other: Call) => boolean) =>
    new Set(ofUser.filter(when).map(({ result }) => result?.tokenId))
  const before = known(({ call: number }) => number < call.call)
  const next = ofUser.find((other) => other.call > call.call && other.result?.tokenId !== undefined)
  const token = next?.result.tokenId
  return token !== undefined && !before.has(token) && facts.tokens.some(({ id }) => id === token)
}
