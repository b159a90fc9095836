/** The engine without Effect: `makeBoxOffice` gives the services as promises and async iterables. */
import { Cause, Context, Effect, Exit, Layer, Result, Scope, Stream } from "effect"
import { BoxOffice, type BoxOfficeOptions, type BoxOfficeServices, layerOf } from "./BoxOffice.ts"
import { BoxOfficeStore } from "./BoxOfficeStore.ts"
import { StoreUnavailable } from "./Errors.ts"
import { checkTransaction, HostTransaction, transactionsFault } from "./HostTransaction.ts"
import { kindOf } from "./options.ts"
import type { PromisedEvents } from "./promises/events.ts"
import { type Runner, resultsOf, throwing, valueOf } from "./promises/operations.ts"
import type { CallOptions, Outcome } from "./promises/outcome.ts"
import { promisedEvents } from "./promises/runEvents.ts"
import type { BoxOfficeResults, OperationsWithin, PromisedOperations } from "./promises/styles.ts"
import { sweep } from "./Sweeper.ts"

/**
 * Where an engine keeps its data: `SqlStore.layerUrl` and the other layers of
 * `@boxoffice/sql-store`, or `layerMemory` of `@boxoffice/core/testing`. Pass it on as it is.
 */
export interface Store extends Layer.Layer<BoxOfficeStore, unknown> {}

/** A running engine's services and its store. Pass it on as it is, to what is built on them. */
export interface EngineServices extends Layer.Layer<BoxOfficeServices | BoxOfficeStore> {}

/**
 * The engine. Its operations throw the tagged errors that their documentation names; those of
 * `results` give them as values. An operation throws nothing else but the `reason` of a signal
 * that was aborted, and defects: mistakes, of the engine or of a function that the host gave it.
 */
export interface PromisedBoxOffice extends PromisedOperations, AsyncDisposable {
  /**
   * The same operations, which give `{ ok: true, value }` or `{ ok: false, error }`. The type of
   * `error` is the union of what the operation can refuse with.
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
  /** What has happened, for named consumers. */
  readonly events: PromisedEvents
  /**
   * One round of tidying what has lapsed and letting in who is next where nobody asks. Gives the
   * number of things it attended to; 0 means that all is tidy. The option `sweepEvery` does so in
   * the background. Rejects with `overloaded`, `store_unavailable`.
   */
  readonly sweep: (options?: CallOptions) => Promise<number>
  /** Resolves when the store can be used. Rejects with `store_unavailable`. */
  readonly ping: (options?: CallOptions) => Promise<void>
  /**
   * The same operations inside a transaction that the host opened: what they do commits and rolls
   * back with it. They can also be refused with `host_transaction_refused` and
   * `host_transaction_conflict`. It costs nothing to ask for them anew for each transaction.
   */
  readonly within: (transaction: HostTransaction) => OperationsWithin
  /** This very engine, for what is built on it. Lives until {@link close}. */
  readonly services: EngineServices
  /**
   * Lets what is in flight end, refuses what waits for its turn with `overloaded`, and gives the
   * store's connections back. From then on everything is refused with `store_unavailable`. Where the
   * database does not answer, the store drops its connections after a while (`waits.closeWithinMs`, 10 s
   * by default), so that this always ends. May be asked for more than once; `await using` does so at
   * the end of its block.
   */
  readonly close: () => Promise<void>
}

/**
 * Makes the engine. Rejects with what keeps it from being made: `SigningKeysInvalid`,
 * `PoliciesInvalid`, a `TypeError` that names an option which is not known or cannot be meant, or what
 * the store refuses with.
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

/** @internal The engine of a layer as promises, and everything else that the layer provides. */
export const promised = async <R>(
  layer: Layer.Layer<R | BoxOfficeServices | BoxOfficeStore, unknown>
): Promise<{
  readonly office: PromisedBoxOffice
  readonly context: Context.Context<R | BoxOfficeServices | BoxOfficeStore>
}> => {
  // Not a ManagedRuntime: its end would interrupt the callers of what is in flight.
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

  const runnerIn = (inside: typeof context, fault: <E>(error: E) => E): Runner => {
    const runExit = Effect.runPromiseExitWith(inside)
    // Called for every operation, so it makes no more promises than it must.
    const outcome = <A, E>(
      operation: Effect.Effect<A, E>,
      options?: CallOptions
    ): Promise<Outcome<A, E>> => {
      const signal = options?.signal
      if (signal?.aborted) return Promise.reject(signal.reason)
      // Every operation can say that the store is not there.
      const open = closed ? Effect.fail(engineClosed as E) : operation
      return runExit(open, signal && { signal }).then((exit) => {
        if (Exit.isSuccess(exit)) return { ok: true, value: exit.value }
        const error = Cause.findError(exit.cause)
        if (Result.isSuccess(error)) return { ok: false, error: fault(error.success) }
        signal?.throwIfAborted()
        throw Cause.squash(exit.cause)
      })
    }
    const outcomes: Runner["outcomes"] = <A, E>(
      operation: Stream.Stream<A, E>,
      { signal }: CallOptions = {}
    ) => {
      const open = closed ? Stream.fail(engineClosed as E) : operation
      const settled = open.pipe(
        Stream.map((value): Outcome<A, E> => ({ ok: true, value })),
        Stream.catch((error) => Stream.succeed<Outcome<A, E>>({ ok: false, error: fault(error) }))
      )
      return Stream.toAsyncIterableWith(
        signal === undefined ? settled : Stream.interruptWhen(settled, aborted(signal)),
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
    // The type that is given adds the errors that this can turn one into.
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

const engineClosed = new StoreUnavailable({ retryable: false, cause: "The engine is closed." })

/** Fails with the signal's reason, once it is aborted. */
const aborted = (signal: AbortSignal): Effect.Effect<never, unknown> =>
  Effect.callback((resume) => {
    const abort = () => resume(Effect.fail(signal.reason))
    if (signal.aborted) return abort()
    signal.addEventListener("abort", abort, { once: true })
    return Effect.sync(() => signal.removeEventListener("abort", abort))
  })
