/** I5, I6 and I8: what callers were told, against each other and against what was committed. */
import { readQueueToken } from "@boxoffice/core"
import type { Call } from "../History.ts"
import { textOf } from "../History.ts"
import { type Facts, type Finding, groupBy } from "./facts.ts"

/** Refusals that are answers: a key records them as it records a success. */
const answers = new Set([
  "SeatUnavailable",
  "LimitExceeded",
  "InsufficientBalance",
  "ReservationNotPayable",
  "ReservationNotFound",
  "HoldExpired",
  "SeatNotFound"
])

const answerOf = ({ outcome }: Call): string | undefined => {
  if (outcome?._tag === "ok") return `ok ${textOf(outcome.value)}`
  if (outcome?._tag !== "refused" || !answers.has(outcome.error._tag)) return undefined
  return `refused ${outcome.error._tag} ${textOf({ ...outcome.error })}`
}

export const checkCalls = ({ world, rows, events }: Facts): ReadonlyArray<Finding> => {
  const findings: Array<Finding> = []
  const find = (invariant: string, text: string) => findings.push({ invariant, text })
  const { calls } = world.history
  const ofUsers = calls.filter(({ user }) => user !== "operator")
  for (const [key, group] of groupBy(
    ofUsers.filter((call) => call.key !== undefined),
    ({ operation, user, key }) => `${user} ${operation} ${key}`
  )) {
    const told = group.filter((call) => answerOf(call) !== undefined)
    if (new Set(told.map(({ body }) => body)).size > 1) {
      find("I5", `the key ${key} was answered for two bodies: ${numbers(told)}`)
    } else if (new Set(told.map(answerOf)).size > 1) {
      find("I5", `the key ${key} was answered in two ways: ${numbers(told)}`)
    }
  }
  const transfers = new Map(rows.transfers.map((row) => [row.transferId as string, row]))
  const reservations = new Map(rows.reservations.map((row) => [row.reservationId as string, row]))
  const issued = new Set(
    events.flatMap(({ event }) => (event._tag === "QueueTokenIssued" ? [event.tokenId] : []))
  )
  for (const call of calls) {
    if (call.outcome?._tag !== "ok") continue
    const value = call.outcome.value as Record<string, never>
    const isThere = {
      charge: () => transfers.get(value.transferId!)?.kind === "charge",
      hold: () => reservations.has(value.reservationId!),
      pay: () =>
        ["confirmed", "cancelled"].includes(reservations.get(value.reservationId!)?.status ?? ""),
      refund: () => reservations.get(value.reservationId!)?.status === "cancelled",
      join: () => issued.has(readQueueToken(value.token!)!.tokenId)
    }[call.operation]
    if (isThere !== undefined && !isThere()) {
      find("I6", `#${call.number} ${call.operation} was acknowledged, and is not there`)
    }
  }
  for (const [, joined] of groupBy(joinedIn(ofUsers), ({ lane }) => lane)) {
    for (const { number, beganAs, call } of joined) {
      const late = joined.find((other) => other.number > number && other.endedAs < beganAs)
      if (late !== undefined) find("I8", `#${call} joined after #${late.call}, in front of it`)
    }
  }
  return findings
}

/** A token: its lane, its number, when its user first asked for it, and when they first had it. */
interface Joined {
  readonly lane: string
  readonly number: number
  readonly beganAs: number
  readonly endedAs: number
  readonly call: number
}

const joinedIn = (calls: ReadonlyArray<Call>): ReadonlyArray<Joined> => {
  const joins = calls.filter(({ operation }) => operation === "join")
  const byToken = new Map<string, Joined>()
  for (const call of joins) {
    if (call.outcome?._tag !== "ok") continue
    const { token, created } = call.outcome.value as {
      readonly token: string
      readonly created: boolean
    }
    const { tokenId, queueId, entry } = readQueueToken(token)!
    const before = byToken.get(tokenId)
    if (!created || entry === undefined || (before && before.endedAs < call.endedAs)) continue
    // An earlier call whose answer did not arrive may have made the token.
    const asked = joins.filter(({ user, key }) => user === call.user && key === call.key)
    byToken.set(tokenId, {
      lane: `${queueId} ${entry.lane}`,
      number: entry.number,
      beganAs: Math.min(...asked.map(({ beganAs }) => beganAs)),
      endedAs: call.endedAs,
      call: call.number
    })
  }
  return Array.from(byToken.values())
}

const numbers = (calls: ReadonlyArray<Call>): string =>
  calls.map(({ number }) => `#${number}`).join(", ")
