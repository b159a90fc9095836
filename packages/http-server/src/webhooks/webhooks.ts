import { BoxOfficeStore, type DeadLetter, EventFeed, StoreUnavailable } from "@boxoffice/core"
import { Cause, Context, Effect, Exit, Layer, Scope } from "effect"
import { checkEndpoints, type WebhookEndpoint, type WebhookEndpointInvalid } from "./endpoint.ts"
import { runEndpoint } from "./runner.ts"

/** A page of dead letters, the longest parked first. */
export interface DeadLettersPage {
  /** Continues behind the `deliveryId` of a page before. */
  readonly after?: bigint | undefined
  /** 1 to 200. Default 50. */
  readonly limit?: number | undefined
}

/** Delivers webhooks while its layer lives, and keeps those that were given up. */
export class Webhooks extends Context.Service<
  Webhooks,
  {
    /** Deliveries to an endpoint that were given up. */
    readonly deadLetters: (
      endpoint: string,
      page?: DeadLettersPage
    ) => Effect.Effect<ReadonlyArray<DeadLetter>, StoreUnavailable>
    /** Tries dead letters anew: those of the events, or all. Succeeds with how many. */
    readonly redeliver: (
      endpoint: string,
      eventIds?: ReadonlyArray<string>
    ) => Effect.Effect<number, StoreUnavailable>
    /** Deletes dead letters: those of the events, or all. Succeeds with how many. */
    readonly discard: (
      endpoint: string,
      eventIds?: ReadonlyArray<string>
    ) => Effect.Effect<number, StoreUnavailable>
  }
>()("@boxoffice/http-server/Webhooks") {
  /** Any number of nodes may run it: each endpoint is served by one of them at a time. */
  static readonly layer = (
    endpoints: ReadonlyArray<WebhookEndpoint>
  ): Layer.Layer<Webhooks, WebhookEndpointInvalid, BoxOfficeStore | EventFeed> =>
    Layer.effect(
      Webhooks,
      Effect.gen(function* () {
        const { deliveries } = yield* BoxOfficeStore
        const feed = yield* EventFeed
        for (const endpoint of yield* checkEndpoints(endpoints)) {
          yield* Effect.forkScoped(runEndpoint({ feed, deliveries, endpoint }))
        }
        return Webhooks.of({
          deadLetters: (endpoint, { after, limit = 50 } = {}) =>
            deliveries.dead(endpoint, { after, limit: Math.max(1, Math.min(200, limit)) }),
          redeliver: deliveries.redeliver,
          discard: deliveries.discard
        })
      })
    )
}

/** Webhooks that were started: {@link Webhooks} as promises. */
export interface StartedWebhooks extends AsyncDisposable {
  readonly deadLetters: (
    endpoint: string,
    page?: DeadLettersPage
  ) => Promise<ReadonlyArray<DeadLetter>>
  readonly redeliver: (endpoint: string, eventIds?: ReadonlyArray<string>) => Promise<number>
  readonly discard: (endpoint: string, eventIds?: ReadonlyArray<string>) => Promise<number>
  /**
   * Stops delivering, and gives the store's connections back. From then on everything is refused
   * with `store_unavailable`. May be asked for more than once.
   */
  readonly close: () => Promise<void>
}

/**
 * Delivers webhooks, for a backend that does not use Effect: beside the engine, or on its own.
 * Rejects with `WebhookEndpointInvalid` where an endpoint cannot be used, or with what the store
 * refuses with.
 */
export const startWebhooks = async <E>(
  store: Layer.Layer<BoxOfficeStore, E>,
  endpoints: ReadonlyArray<WebhookEndpoint>
): Promise<StartedWebhooks> => {
  const given: unknown = store
  if (!Layer.isLayer(given)) {
    throw new TypeError("The store: expected a layer, such as SqlStore.layerUrl({ url }).")
  }
  const scope = Scope.makeUnsafe()
  const layer = Webhooks.layer(endpoints).pipe(
    Layer.provide(EventFeed.layerAlone),
    Layer.provide(store)
  )
  const context = await Effect.runPromise(
    Effect.onError(Layer.buildWithScope(layer, scope), (cause) =>
      Scope.close(scope, Exit.failCause(cause))
    )
  )
  const webhooks = Context.get(context, Webhooks)
  let closed: Promise<void> | undefined
  const close = () => {
    closed ??= Effect.runPromise(Scope.close(scope, Exit.void))
    return closed
  }
  const run = async <A>(operation: Effect.Effect<A, StoreUnavailable>): Promise<A> => {
    if (closed) throw webhooksClosed
    const exit = await Effect.runPromiseExit(operation)
    if (Exit.isSuccess(exit)) return exit.value
    // What was in flight when the store was taken away.
    throw Cause.hasInterruptsOnly(exit.cause) ? webhooksClosed : Cause.squash(exit.cause)
  }
  return {
    deadLetters: (...args) => run(webhooks.deadLetters(...args)),
    redeliver: (...args) => run(webhooks.redeliver(...args)),
    discard: (...args) => run(webhooks.discard(...args)),
    close,
    [Symbol.asyncDispose]: close
  }
}

const webhooksClosed = new StoreUnavailable({
  retryable: false,
  cause: "The webhooks are closed."
})
