/** A user who polls is present: none of them is removed as absent. */
import type { Facts, Finding } from "./facts.ts"
import { momentOf, steadyTimes } from "./steady.ts"

export const checkPresence = ({ events, world }: Facts): ReadonlyArray<Finding> => {
  const times = steadyTimes(world.faults.clockSteps, world.machine.elapsed())
  return events.flatMap(({ event }): ReadonlyArray<Finding> => {
    if (event._tag !== "QueueTokenLeft" || event.away !== true) return []
    const removed = momentOf(times, event.at)
    if (removed === undefined) return []
    const { elapsedMs: removedMs, steady } = removed
    const { userId, queueId } = event
    const { settings } = world.plan.setup.queues.find((queue) => queue.queueId === queueId)!
    // A poll of before a step is as long ago as the clock says.
    const last = world.history.calls.findLast(
      ({ user, operation, outcome, beganAt, endedAt }) =>
        user === userId &&
        operation === "status" &&
        beganAt >= steady.fromMs &&
        endedAt <= removedMs &&
        outcome?._tag === "ok" &&
        (outcome.value as { readonly state: string }).state === "waiting"
    )
    if (last === undefined || removedMs - last.endedAt > settings.absenceSeconds * 1_000) return []
    const agoMs = removedMs - last.endedAt
    return [
      {
        ...{ invariant: "I13", atMs: removedMs, queueId },
        text: `${userId} was removed as absent, ${agoMs} ms after they had polled`
      }
    ]
  })
}
