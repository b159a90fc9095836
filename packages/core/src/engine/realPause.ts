import { Effect } from "effect"

/**
 * Waits by the machine's own timer, and not by Effect's clock: a test that stops the clock must not
 * stop this wait. Returns at once for 0 or less.
 */
export const realPause = (milliseconds: number): Effect.Effect<void> =>
  milliseconds <= 0
    ? Effect.void
    : Effect.callback<void>((resume) => {
        const timer = setTimeout(() => resume(Effect.void), milliseconds)
        return Effect.sync(() => clearTimeout(timer))
      })
