/** The end of an engine on a store: what is in flight may end, for a while. */
import { Effect, type Scope } from "effect"

/** What drops connections, and lets others be made again: a store may outlive an engine on it. */
export interface Droppable {
  readonly drop: () => void
  readonly allow: () => void
}

export interface Closing {
  /** For as long as the scope lasts an engine is closing: after its time nothing may wait. */
  readonly engine: Effect.Effect<void, never, Scope.Scope>
  /** Around what the store closes itself, within what is left of that time. */
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
        // The last to be made is the first to end.
        yield* Effect.addFinalizer(() =>
          Effect.sync(() => {
            timer = setTimeout(drop, left())
          })
        )
        return made
      })
  }
}
