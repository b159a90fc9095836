/**
 * Counts the open event streams of each user on this node, so that one user cannot take all
 * connections. An entry lives from a user's first open stream to the end of the last one.
 */
import { Effect } from "effect"

export const makeStreamCounts = (perUser: number) => {
  const open = new Map<string, number>()
  const take = (userId: string): boolean => {
    const before = open.get(userId) ?? 0
    // Guard streams-per-user: without it, connections.test "of one user have a limit" fails.
    if (before >= perUser) return false
    open.set(userId, before + 1)
    return true
  }
  const release = (userId: string): void => {
    const left = open.get(userId)! - 1
    if (left === 0) open.delete(userId)
    else open.set(userId, left)
  }
  /** Takes a stream until the response of the request ends; false if the user has too many. */
  return (userId: string): Effect.Effect<boolean> =>
    Effect.acquireRelease(
      Effect.sync(() => take(userId)),
      (taken) => Effect.sync(() => taken && release(userId))
      // Each request of the router has a scope, which the types of handlers leave out.
    ) as Effect.Effect<boolean>
}
