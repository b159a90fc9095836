/**
 * The order in which an engine ends: first the store learns that it ends, then the services end, and
 * then the store learns that they have ended.
 */
import { Context, Effect, Exit, Layer, Scope } from "effect"
import { BoxOfficeStore } from "../BoxOfficeStore.ts"

/** A scope that is open from before the engine is made until it has ended. */
class Shutdown extends Context.Service<Shutdown, Scope.Closeable>()("@boxoffice/core/Shutdown") {}

const layerAround = Layer.effect(
  Shutdown,
  Effect.acquireRelease(Scope.make(), (scope) => Scope.close(scope, Exit.void))
)

/** Made after all services of an engine, so its finalizer runs before theirs. */
const layerBehind = Layer.effectDiscard(
  Effect.gen(function* () {
    const scope = yield* Shutdown
    const { closing } = yield* BoxOfficeStore
    yield* Effect.addFinalizer(() => Effect.ignore(Scope.provide(closing, scope)))
  })
)

/** An engine that tells its store when it begins to end, so that the end does not wait for the store. */
export const withShutdown = <A, E, R>(
  engine: Layer.Layer<A, E, R>
): Layer.Layer<A, E, R | BoxOfficeStore> =>
  layerBehind.pipe(Layer.provideMerge(engine), Layer.provide(Layer.fresh(layerAround)))
