/**
 * Whether the server is shutting down. States: serving, then draining, until the process ends.
 * While it drains, it reports itself as not ready, ends event streams and starts no new ones.
 */
import { Context, Deferred, Effect, Layer } from "effect"

export class Drain extends Context.Service<
  Drain,
  {
    readonly isDraining: () => boolean
    /** Succeeds once draining has begun. */
    readonly begun: Effect.Effect<void>
    readonly begin: Effect.Effect<void>
  }
>()("@boxoffice/http-server/Drain") {
  /** Draining also begins when the layer ends. */
  static readonly layer: Layer.Layer<Drain> = Layer.effect(
    Drain,
    Effect.gen(function* () {
      const started = yield* Deferred.make<void>()
      let draining = false
      const begin = Effect.suspend(() => {
        draining = true
        return Effect.asVoid(Deferred.succeed(started, undefined))
      })
      yield* Effect.addFinalizer(() => begin)
      return Drain.of({ isDraining: () => draining, begun: Deferred.await(started), begin })
    })
  )
}
