/** The end of a server's life: it says so, and takes nothing new that would last. */
import { Context, Deferred, Effect, Layer } from "effect"

export class Drain extends Context.Service<
  Drain,
  {
    readonly isDraining: () => boolean
    /** Waits until draining has begun. */
    readonly begun: Effect.Effect<void>
    readonly begin: Effect.Effect<void>
  }
>()("@boxoffice/http-server/Drain") {
  /** Begins by itself when the layer ends. */
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
