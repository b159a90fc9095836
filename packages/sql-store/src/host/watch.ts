/**
 * Puts a time limit on the waits for a host's driver, which may have none of its own. It holds the
 * waits under way, each until its driver answers or its time is over; `drop` ends all of them and
 * refuses new ones until `allow`.
 */

interface Watch {
  /** Aborted once the wait was given up. */
  readonly signal: AbortSignal
  /**
   * Reports that the driver has answered; its time starts again. Throws if the wait was given up
   * before.
   */
  readonly heard: () => void
}

export interface Watching {
  /** Rejects if the driver does not answer in time, or once all waits are given up. */
  readonly during: <A>(ask: (watch: Watch) => PromiseLike<A>) => Promise<A>
  /** Gives up all waits, and refuses new ones until {@link allow}. */
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
          // Abort first: code that runs after the rejection must find the wait given up.
          controller.abort(reason)
          reject(reason)
        }
        const tooLong = () => giveUp(new Error(`no answer within ${withinMs / 1_000} s`))
        // Guard host-deadline: with "undefined" for "setTimeout(…)", outage.test "a silent host's pool" fails.
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
