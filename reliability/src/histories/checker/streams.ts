/**
 * Streams. I14: an admission that a consumer has heard of is told by every open stream of its token
 * within its time. I8: within a stream a position never rises, and an admission is not taken back.
 */
import { groupBy } from "../groupBy.ts"
import type { Message } from "../history.ts"
import { type Evidence, staleMs, told } from "./evidence.ts"
import type { Judge } from "./judge.ts"

/** A stream reads its token once a second, from a snapshot of up to a second. */
const toldWithinMs = 10_000

export const checkStreams = ({ history, calls, isCalm }: Evidence, judge: Judge): void => {
  const messages = groupBy(history.messages, ({ told }) => told)
  const known = admissionsOf(history)
  for (const stream of calls) {
    if (stream.operation !== "watch") continue
    const heard = messages.get(stream.call) ?? []
    for (const [at, message] of heard.entries()) {
      const before = heard[at - 1]
      if (before === undefined) continue
      judge.expect(
        "I8",
        rankOf(message) <= rankOf(before),
        () => `${told(stream)} was told ${statusOf(message)} after ${statusOf(before)}`
      )
    }
    const admittedAt = known.get(stream.input.tokenId!)
    if (admittedAt === undefined) continue
    const since = Math.max(admittedAt, stream.invokedAt)
    // A node that has lost its database goes on telling what it knew.
    const due = since + toldWithinMs + (isCalm(since, since + toldWithinMs) ? 0 : staleMs)
    if (stream.endedAt < due) continue
    judge.expect(
      "I14",
      heard.some(({ at, result }) => at <= due && result.state !== "waiting"),
      () =>
        `${told(stream)} was open until ${stream.endedAt}, and did not tell of the admission that a consumer knew at ${admittedAt}`
    )
  }
}

/** How far in front a status says that the token is: behind all before a draw, in front of all once in. */
const rankOf = ({ result: { state, position } }: Message): number => {
  if (state !== "waiting") return 0
  return position === 0 ? Number.POSITIVE_INFINITY : position
}

const statusOf = ({ result: { state, position } }: Message): string => `${state} at ${position}`

/** By when some consumer had heard that a token was admitted. */
const admissionsOf = ({ facts, deliveries }: Evidence["history"]): ReadonlyMap<string, number> => {
  const tokens = new Map(
    facts.events.flatMap(({ batch, position, event }) =>
      event._tag === "QueueTokenAdmitted" ? [[`${batch}-${position}`, event.tokenId as string]] : []
    )
  )
  const known = new Map<string, number>()
  for (const { id, at } of deliveries) {
    const token = tokens.get(id)
    if (token !== undefined) known.set(token, Math.min(at, known.get(token) ?? at))
  }
  return known
}
