/**
 * A timer wheel: entries in lists by the instant at which they are due, from `add` until `take`
 * removes them. A million users share it, because a timer for each of them costs more than all
 * their calls.
 */
export interface TimerWheel<A> {
  /** Schedules an entry for the first step that is not before `atMs`. */
  readonly add: (atMs: number, entry: A) => void
  /** Removes and returns all entries that are due. */
  readonly take: (nowMs: number) => ReadonlyArray<A>
}

/** The distance between two steps, in milliseconds. */
export const wheelStepMs = 50

export const makeTimerWheel = <A>(): TimerWheel<A> => {
  const slots = new Map<number, Array<A>>()
  let next = 0
  return {
    add: (atMs, entry) => {
      const slot = Math.max(next, Math.ceil(atMs / wheelStepMs))
      const entries = slots.get(slot)
      if (entries === undefined) slots.set(slot, [entry])
      else entries.push(entry)
    },
    take: (nowMs) => {
      const taken: Array<A> = []
      for (; next * wheelStepMs <= nowMs; next++) {
        for (const entry of slots.get(next) ?? []) taken.push(entry)
        slots.delete(next)
      }
      return taken
    }
  }
}
