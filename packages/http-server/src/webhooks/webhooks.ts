/** Webhooks of all endpoints: as a layer, and as promises for a backend without Effect. */
import { BoxOfficeStore, type DeadLetter, EventFeed, StoreUnavailable } from "@boxoffice/core"
import { Closed } from "@boxoffice/core/store"
import { Cause, Context, Effect, Exit, Layer, Scope } from "effect"
import { checkEndpoints, type WebhookEndpoint, type WebhookEndpointInvalid } from "./endpoint.ts"
import { runEndpoint } from "./runner.ts"

/** Which page of the dead letters to return; the longest parked come first. */
export interface DeadLettersPage {
  /** Continues after this `deliveryId` of the previous page. */
  readonly after?: bigint | undefined
  /** 1 to 200. Default 50. */
  readonly limit?: number | undefined
}

/** Delivers webhooks while its layer exists, and gives access to the dead letters. */
export class Webhooks extends Context.Service<
  Webhooks,
  {
    /** Deliveries to an endpoint that failed at every attempt. */
    readonly deadLetters: (
      endpoint: string,
      page?: DeadLettersPage
    ) => Effect.Effect<ReadonlyArray<DeadLetter>, StoreUnavailable>
    /**
     * Queues dead letters for delivery again: those of the events, or all. Succeeds with their
     * number.
     */
    readonly redeliver: (
      endpoint: string,
      eventIds?: ReadonlyArray<string>
    ) => Effect.Effect<number, StoreUnavailable>
    /** Deletes dead letters: those of the events, or all. Succeeds with their number. */
    readonly discard: (
      endpoint: string,
      eventIds?: ReadonlyArray<string>
    ) => Effect.Effect<number, StoreUnavailable>
  }
>()("@boxoffice/http-server/Webhooks") {
  /** Any number of nodes may run it: a lease gives each endpoint to one node at a time. */
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

/** Running webhooks: {@link Webhooks} as promises. */
export interface StartedWebhooks extends AsyncDisposable {
  readonly deadLetters: (
    endpoint: string,
    page?: DeadLettersPage
  ) => Promise<ReadonlyArray<DeadLetter>>
  readonly redeliver: (endpoint: string, eventIds?: ReadonlyArray<string>) => Promise<number>
  readonly discard: (endpoint: string, eventIds?: ReadonlyArray<string>) => Promise<number>
  /**
   * Stops delivering and closes the store's connections. Later calls of the other methods fail with
   * `store_unavailable`. It may be called more than once.
   */
  readonly close: () => Promise<void>
}

/**
 * Starts delivering webhooks, for a backend without Effect: beside the engine, or in a process of
 * its own. Rejects with `WebhookEndpointInvalid` if an endpoint is invalid, or with the error of
 * the store.
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
    // The operation was in flight when `close` ended the store.
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
  cause: new Closed("These webhooks are closed: open them again.")
})
