/**
 * Closing of an engine on a store: the batches and reads under way may finish, for a limited time.
 *
 * States: open; closing, from the moment at which the engine begins to close; dropped, once the limit
 * has passed, so that no connection is used any more. An engine that has closed puts the store back
 * to open, since another engine can use it.
 */
import { Effect, type Scope } from "effect"

/** Drops connections, and allows new ones again: a store may outlive an engine on it. */
export interface Droppable {
  readonly drop: () => void
  readonly allow: () => void
}

export interface Closing {
  /**
   * Acquired when an engine begins to close, and released when it has closed. If that takes longer
   * than the limit, all connections are dropped.
   */
  readonly engine: Effect.Effect<void, never, Scope.Scope>
  /** Wraps the pools that the store closes itself, which then have the rest of that time. */
  readonly around: <A, E, R>(pools: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R | Scope.Scope>
}

export const makeClosing = ({ drop, allow }: Droppable, milliseconds: number): Closing => {
  let begunAt = Number.NEGATIVE_INFINITY
  const left = () => {
    const passed = performance.now() - begunAt
    return passed < milliseconds ? milliseconds - passed : milliseconds
  }
  const engine = Effect.acquireRelease(
    Effect.sync(() => {
      begunAt = performance.now()
      return setTimeout(drop, milliseconds)
    }),
    (timer) =>
      Effect.sync(() => {
        clearTimeout(timer)
        allow()
      })
  )
  return {
    engine: Effect.asVoid(engine),
    around: (pools) =>
      Effect.gen(function* () {
        let timer: NodeJS.Timeout | undefined
        yield* Effect.addFinalizer(() => Effect.sync(() => clearTimeout(timer)))
        const made = yield* pools
        // Finalizers run in reverse order, so this timer starts before the pools close.
        yield* Effect.addFinalizer(() =>
          Effect.sync(() => {
            timer = setTimeout(drop, left())
          })
        )
        return made
      })
  }
}
