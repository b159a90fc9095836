/** Traced boundaries on hot paths. */
import { Effect, References, type Tracer } from "effect"

const options = { captureStackTrace: false }

/**
 * A span around an operation, without noting where it was called from: `Effect.fn` does, and makes
 * an `Error` for it on each call. Where spans are switched off none is made, not even an empty one.
 */
export const traced =
  (name: string) =>
  <A, E, R>(
    operation: Effect.Effect<A, E, R>
  ): Effect.Effect<A, E, Exclude<R, Tracer.ParentSpan>> =>
    Effect.withFiber((fiber) =>
      fiber.getRef(References.TracerEnabled)
        ? Effect.withSpan(operation, name, options)
        : (operation as Effect.Effect<A, E, Exclude<R, Tracer.ParentSpan>>)
    )
