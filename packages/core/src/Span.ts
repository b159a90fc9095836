/** Traced boundaries on hot paths. */
import { Effect } from "effect"

const options = { captureStackTrace: false }

/**
 * A span around an operation, without noting where it was called from: `Effect.fn` does, and makes
 * an `Error` for it on each call.
 */
export const span =
  (name: string) =>
  <A, E, R>(operation: Effect.Effect<A, E, R>) =>
    Effect.withSpan(operation, name, options)
