/**
 * The engine without Effect: `makeBoxOffice` returns the services as promises and async iterables.
 *
 * An engine is open from the moment `makeBoxOffice` resolves until `close`. After that, each
 * operation is refused with `store_unavailable`.
 */
import { Cause, Context, Effect, Exit, Layer, Result, Scope, Stream } from "effect"
import { BoxOffice, type BoxOfficeOptions, type BoxOfficeServices, layerOf } from "./BoxOffice.ts"
import { BoxOfficeStore } from "./BoxOfficeStore.ts"
import { engineClosed } from "./engine/engineClosed.ts"
import { checkTransaction, HostTransaction, transactionsFault } from "./HostTransaction.ts"
import { kindOf } from "./options.ts"
import type { PromisedEvents } from "./promises/events.ts"
import { type PromiseRunner, resultsOf, throwing, valueOf } from "./promises/operations.ts"
import type { CallOptions, Outcome } from "./promises/outcome.ts"
import { aborted, promisedEvents } from "./promises/runEvents.ts"
import type { BoxOfficeResults, OperationsWithin, PromisedOperations } from "./promises/styles.ts"
import { sweep } from "./Sweeper.ts"

/**
 * The store of an engine: `SqlStore.layerUrl` or another layer of `@boxoffice/sql-store`, or
 * `layerMemory` of `@boxoffice/core/testing`. An opaque value: pass it to `makeBoxOffice`.
 */
export interface Store extends Layer.Layer<BoxOfficeStore, unknown> {}

/**
 * A running engine's services and its store. An opaque value: pass it to what is built on the
 * engine.
 */
export interface EngineServices extends Layer.Layer<BoxOfficeServices | BoxOfficeStore> {}

/**
 * The engine. Its operations reject with the tagged errors that their documentation names; those of
 * `results` return them as values. Otherwise an operation rejects only with the `reason` of an
 * aborted signal, or with a defect: a mistake in the engine or in a function of the host.
 */
export interface PromisedBoxOffice extends PromisedOperations, AsyncDisposable {
  /**
   * The same operations with results as values: `{ ok: true, value }` or `{ ok: false, error }`.
   * The type of `error` is the union of the errors that the operation can refuse with.
   *
   * @example
   * ```ts
   * import type { HoldInput, PromisedBoxOffice } from "@boxoffice/core"
   *
   * const hold = async (office: PromisedBoxOffice, input: HoldInput) => {
   *   const held = await office.results.reservations.hold(input)
   *   if (held.ok) return held.value.holdExpiresAt
   *   switch (held.error._tag) {
   *     case "SeatUnavailable":
   *       return held.error.conflicts
   *     case "Overloaded":
   *       return held.error.retryAfterSeconds
   *     default:
   *       throw held.error
   *   }
   * }
   * ```
   */
  readonly results: BoxOfficeResults
  /** The events of the engine, for named consumers. */
  readonly events: PromisedEvents
  /**
   * Runs one round of the sweeper: ends lapsed holds and tokens, and admits the next tokens of
   * queues without a poll. Resolves with the number of reservations and queues that it found; 0
   * means that none was due. With the option `sweepEvery`, the engine does so in the background.
   * Rejects with `overloaded`, `store_unavailable`.
   */
  readonly sweep: (options?: CallOptions) => Promise<number>
  /** Resolves if the store is usable. Rejects with `store_unavailable`. */
  readonly ping: (options?: CallOptions) => Promise<void>
  /**
   * The same operations inside a transaction that the host opened: their changes commit and roll
   * back with it. They can also be refused with `host_transaction_refused` and
   * `host_transaction_conflict`. Call it once for each transaction: it is cheap.
   */
  readonly within: (transaction: HostTransaction) => OperationsWithin
  /** The services of this engine, for what is built on it. Usable until {@link close}. */
  readonly services: EngineServices
  /**
   * Closes the engine: waits for the batches in flight, refuses waiting commands with `overloaded`,
   * and gives the store's connections back. Afterwards each operation is refused with
   * `store_unavailable`. If the database does not answer, the store drops its connections after a
   * while (`waits.closeWithinMs`, 10 s by default), so this always ends. A second call has no
   * effect; `await using` calls it at the end of its block.
   */
  readonly close: () => Promise<void>
}

/**
 * Makes the engine. Rejects with `SigningKeysInvalid`, `PoliciesInvalid`, a `TypeError` that names
 * an unknown or invalid option, or the error of the store.
 *
 * @example
 * ```ts
 * import { makeBoxOffice } from "@boxoffice/core"
 * import { layerMemory } from "@boxoffice/core/testing"
 *
 * const office = await makeBoxOffice(layerMemory, {
 *   signingKeys: { k1: "a secret of at least thirty-two bytes" }
 * })
 * await office.queue.create({ queueId: "main" })
 * const { token, state } = await office.queue.join({ queueId: "main", userId: "ada" })
 * console.log(state, token.length)
 * await office.close()
 * ```
 */
export const makeBoxOffice = async (
  store: Store,
  options: BoxOfficeOptions
): Promise<PromisedBoxOffice> => {
  const given: unknown = store
  if (!Layer.isLayer(given)) {
    throw new TypeError(
      `The store: expected a layer, such as layerMemory of @boxoffice/core/testing, not ${kindOf(given)}.`
    )
  }
  const { office } = await promised(Layer.provideMerge(layerOf(options), store))
  return office
}

/**
 * @internal The engine of a layer as promises, and the context with all that the layer provides.
 */
export const promised = async <R>(
  layer: Layer.Layer<R | BoxOfficeServices | BoxOfficeStore, unknown>
): Promise<{
  readonly office: PromisedBoxOffice
  readonly context: Context.Context<R | BoxOfficeServices | BoxOfficeStore>
}> => {
  // Not a ManagedRuntime, since its end would interrupt the callers whose commands are in flight.
  const scope = Scope.makeUnsafe()
  const context = await Effect.runPromise(
    Effect.onError(Layer.buildWithScope(layer, scope), (cause) =>
      Scope.close(scope, Exit.failCause(cause))
    )
  )

  let closed: Promise<void> | undefined
  const close = () => {
    closed ??= Effect.runPromise(Scope.close(scope, Exit.void))
    return closed
  }

  const runnerIn = (inside: typeof context, fault: <E>(error: E) => E): PromiseRunner => {
    const runExit = Effect.runPromiseExitWith(inside)
    // Every operation runs through this, so it makes as few promises as possible.
    const outcome = <A, E>(
      operation: Effect.Effect<A, E>,
      options?: CallOptions
    ): Promise<Outcome<A, E>> => {
      const signal = options?.signal
      if (signal?.aborted) return Promise.reject(signal.reason)
      // `StoreUnavailable` is among the errors of every operation.
      const open = closed ? Effect.fail(engineClosed as E) : operation
      return runExit(open, signal && { signal }).then((exit) => {
        if (Exit.isSuccess(exit)) return { ok: true, value: exit.value }
        const error = Cause.findError(exit.cause)
        if (Result.isSuccess(error)) return { ok: false, error: fault(error.success) }
        signal?.throwIfAborted()
        throw Cause.squash(exit.cause)
      })
    }
    const outcomes: PromiseRunner["outcomes"] = <A, E>(
      operation: Stream.Stream<A, E>,
      { signal }: CallOptions = {}
    ) => {
      const open = closed ? Stream.fail(engineClosed as E) : operation
      const withOutcomes = open.pipe(
        Stream.map((value): Outcome<A, E> => ({ ok: true, value })),
        Stream.catch((error) => Stream.succeed<Outcome<A, E>>({ ok: false, error: fault(error) }))
      )
      return Stream.toAsyncIterableWith(
        signal === undefined
          ? withOutcomes
          : Stream.interruptWhen(withOutcomes, failsOnAbort(signal)),
        inside
      )
    }
    return { outcome, outcomes }
  }
  const services = Context.get(context, BoxOffice)
  const { outcome, outcomes } = runnerIn(context, (error) => error)
  const results = resultsOf(services, { outcome, outcomes })
  const within = (transaction: HostTransaction): OperationsWithin => {
    checkTransaction(transaction)
    const inside = Context.add(context, HostTransaction, transaction)
    // The return type `OperationsWithin` adds the errors that `transactionsFault` can return.
    const runner = runnerIn(inside, transactionsFault as <E>(error: E) => E)
    const results = resultsOf(services, runner)
    return { ...throwing(results), results }
  }

  const office: PromisedBoxOffice = {
    ...throwing(results),
    results,
    events: promisedEvents(services.events, outcome, context),
    sweep: (options) => valueOf(outcome(Effect.provideContext(sweep, context), options)),
    ping: (options) => valueOf(outcome(Context.get(context, BoxOfficeStore).ping, options)),
    within,
    services: Layer.succeedContext(context),
    close,
    [Symbol.asyncDispose]: close
  }
  return { office, context }
}

/** Fails with the signal's reason, once it is aborted. */
const failsOnAbort = (signal: AbortSignal): Effect.Effect<never, unknown> =>
  Effect.flatMap(aborted(signal), () => Effect.fail(signal.reason))
