/** A user who polls is present: none of them is removed as absent. */
import { worldStart } from "../Machine.ts"
import type { Facts, Finding } from "./facts.ts"

export const checkPresence = ({ events, world }: Facts): ReadonlyArray<Finding> => {
  // Instants of the log and of events compare only while the database's clock does not step.
  if (world.plan.steps.some((step) => step.do === "stepClock")) return []
  return events.flatMap(({ event }): ReadonlyArray<Finding> => {
    if (event._tag !== "QueueTokenLeft" || event.away !== true) return []
    const { userId, queueId } = event
    const removedAt = event.at - worldStart
    const { settings } = world.plan.setup.queues.find((queue) => queue.queueId === queueId)!
    const last = world.history.calls.findLast(
      ({ user, operation, outcome, endedAt }) =>
        user === userId &&
        operation === "status" &&
        endedAt <= removedAt &&
        outcome?._tag === "ok" &&
        (outcome.value as { readonly state: string }).state === "waiting"
    )
    if (last === undefined || removedAt - last.endedAt > settings.absenceSeconds * 1_000) return []
    const agoMs = removedAt - last.endedAt
    return [
      {
        invariant: "I13",
        text: `${userId} was removed as absent, ${agoMs} ms after they had polled`
      }
    ]
  })
}
