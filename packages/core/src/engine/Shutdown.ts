/** How an engine ends: its store hears of it first, and that it is over last. */
import { Context, Effect, Exit, Layer, Scope } from "effect"
import { BoxOfficeStore } from "../BoxOfficeStore.ts"

/** Lasts from before an engine is made until it has ended. */
class Shutdown extends Context.Service<Shutdown, Scope.Closeable>()("@boxoffice/core/Shutdown") {}

const layerAround = Layer.effect(
  Shutdown,
  Effect.acquireRelease(Scope.make(), (scope) => Scope.close(scope, Exit.void))
)

/** Made behind all of an engine, this is the first of it to end. */
const layerBehind = Layer.effectDiscard(
  Effect.gen(function* () {
    const scope = yield* Shutdown
    const { closing } = yield* BoxOfficeStore
    yield* Effect.addFinalizer(() => Effect.ignore(Scope.provide(closing, scope)))
  })
)

/** An engine that tells its store when it begins to end, so that it need not wait for the store. */
export const ending = <A, E, R>(
  engine: Layer.Layer<A, E, R>
): Layer.Layer<A, E, R | BoxOfficeStore> =>
  layerBehind.pipe(Layer.provideMerge(engine), Layer.provide(Layer.fresh(layerAround)))
