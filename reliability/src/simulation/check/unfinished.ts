/** What a world at rest must have finished: what is left says which loop does not do its work. */
import type { World } from "../World.ts"
import { checkEvents } from "./events.ts"
import { type Facts, factsOf } from "./facts.ts"

export const unfinished = (world: World): ReadonlyArray<string> => {
  const facts = factsOf(world)
  return [...unended(facts.rows), ...unread(facts)]
}

/** Whether nothing is left. Follows the events only if nothing else is, since that takes longest. */
export const isFinished = (world: World): boolean => {
  const facts = factsOf(world)
  return unended(facts.rows).length === 0 && unread(facts).length === 0
}

const unread = (facts: Facts): ReadonlyArray<string> => checkEvents(facts).map(({ text }) => text)

const unended = (rows: Facts["rows"]): ReadonlyArray<string> => {
  const left: Array<string> = []
  for (const { userId, queueId, state } of rows.tokens) {
    if (state === "waiting") left.push(`${userId} still waits in ${queueId}`)
    if (state === "admitted") left.push(`the session of ${userId} in ${queueId} was never ended`)
  }
  for (const { userId, status, reservationId } of rows.reservations) {
    if (status === "held") left.push(`the hold ${reservationId} of ${userId} was never ended`)
  }
  return left
}
