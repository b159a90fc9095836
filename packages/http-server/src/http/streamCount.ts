/** Counts the event streams that each user follows, so that nobody keeps all there is room for. */
import { Effect } from "effect"

export const makeStreamCounts = (perUser: number) => {
  const open = new Map<string, number>()
  const take = (userId: string): boolean => {
    const before = open.get(userId) ?? 0
    if (before >= perUser) return false
    open.set(userId, before + 1)
    return true
  }
  const giveBack = (userId: string): void => {
    const left = open.get(userId)! - 1
    if (left === 0) open.delete(userId)
    else open.set(userId, left)
  }
  /** Whether there is room for one more: it is taken until the request's answer has ended. */
  return (userId: string): Effect.Effect<boolean> =>
    Effect.acquireRelease(
      Effect.sync(() => take(userId)),
      (taken) => Effect.sync(() => taken && giveBack(userId))
      // Each request of the router has a scope, which the types of handlers leave out.
    ) as Effect.Effect<boolean>
}
