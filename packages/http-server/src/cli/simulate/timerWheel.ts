/**
 * Who is to do something when. A timer of their own for each of a million costs more than all that
 * they do: here they share one, and each is an entry in the list of an instant.
 */
export interface TimerWheel<A> {
  /** At the first turn that is not before `atMs`. */
  readonly add: (atMs: number, entry: A) => void
  /** Takes out all whose time has come. */
  readonly take: (nowMs: number) => ReadonlyArray<A>
}

/** How far apart the instants are, in milliseconds. */
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
