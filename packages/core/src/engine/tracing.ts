/** Spans on hot paths. */
import { Effect, References, type Tracer } from "effect"

const options = { captureStackTrace: false }

/**
 * A span around an operation without the call site: `Effect.fn` records it, and makes an `Error` for
 * that on each call. If tracing is off there is no span at all.
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
