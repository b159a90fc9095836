/** Ends the waits for a host's driver, which may have no end of their own. */

interface Watch {
  /** Aborted once it was given up. */
  readonly signal: AbortSignal
  /** The driver has answered, and has its whole time again. Throws where it was given up before. */
  readonly heard: () => void
}

export interface Watching {
  /** Rejects where the driver is not heard of for too long, or is given up with all others. */
  readonly during: <A>(ask: (watch: Watch) => PromiseLike<A>) => Promise<A>
  /** Gives all of them up, and whatever is asked until {@link allow}. */
  readonly drop: () => void
  readonly allow: () => void
}

export const makeWatching = (withinMs: number): Watching => {
  const underWay = new Set<(reason: Error) => void>()
  let closed: Error | undefined
  return {
    during: (ask) =>
      new Promise((resolve, reject) => {
        if (closed !== undefined) return reject(closed)
        const controller = new AbortController()
        const giveUp = (reason: Error) => {
          // First: what comes behind this must find that nobody waits any more.
          controller.abort(reason)
          reject(reason)
        }
        const tooLong = () => giveUp(new Error(`no answer within ${withinMs / 1_000} s`))
        let timer = setTimeout(tooLong, withinMs)
        underWay.add(giveUp)
        const heard = () => {
          controller.signal.throwIfAborted()
          clearTimeout(timer)
          timer = setTimeout(tooLong, withinMs)
        }
        const over = () => {
          clearTimeout(timer)
          underWay.delete(giveUp)
        }
        const asked = (async () => ask({ signal: controller.signal, heard }))()
        asked.then(resolve, reject).finally(over)
      }),
    drop: () => {
      closed = new Error("the store is closing")
      for (const end of underWay) end(closed)
    },
    allow: () => {
      closed = undefined
    }
  }
}
