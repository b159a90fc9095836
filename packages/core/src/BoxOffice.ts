/**
 * The engine. For Effect: `BoxOffice.layer` gives the five services over a store. For everyone
 * else: `makeBoxOffice` gives the same as promises.
 */
import {
  Context,
  type Duration,
  Effect,
  Exit,
  Layer,
  Redacted,
  Schema,
  Scope,
  Stream
} from "effect"
import { Catalog } from "./Catalog.ts"
import { layerAnnounced } from "./Changes.ts"
import { StoreUnavailable } from "./Errors.ts"
import { Gate } from "./Gate.ts"
import { type LaneOptions, LaneSettings } from "./Lanes.ts"
import { Payments } from "./Payment.ts"
import { defaultPolicies, Policies, PolicySettings } from "./Policies.ts"
import { Queue } from "./Queue.ts"
import { type TicketKeysInvalid, Tickets } from "./queue/ticket.ts"
import { Reservations } from "./Reservation.ts"
import type { BoxOfficeStore } from "./Store.ts"
import { layerSweeper } from "./Sweeper.ts"
import { Wallet } from "./Wallet.ts"

/** The five services together. */
export class BoxOffice extends Context.Service<
  BoxOffice,
  {
    readonly queue: Queue["Service"]
    readonly catalog: Catalog["Service"]
    readonly reservations: Reservations["Service"]
    readonly wallet: Wallet["Service"]
    readonly payments: Payments["Service"]
  }
>()("@boxoffice/core/BoxOffice") {
  /** The services, over a store and the keys that sign queue tokens. Starts nothing by itself. */
  static readonly layer: Layer.Layer<
    BoxOffice | Queue | Catalog | Reservations | Wallet | Payments,
    never,
    BoxOfficeStore | Tickets
  > = Layer.effect(
    BoxOffice,
    Effect.gen(function* () {
      return BoxOffice.of({
        queue: yield* Queue,
        catalog: yield* Catalog,
        reservations: yield* Reservations,
        wallet: yield* Wallet,
        payments: yield* Payments
      })
    })
  ).pipe(
    Layer.provideMerge(
      Layer.mergeAll(Queue.layer, Catalog.layer, Reservations.layer, Wallet.layer, Payments.layer)
    ),
    Layer.provide(Gate.layer),
    Layer.provide(layerAnnounced)
  )
}

/** What every engine is made with. */
export interface BoxOfficeOptions {
  /**
   * Secrets that sign queue tokens, of at least 32 bytes each, by a short id. The first signs; all
   * verify, so that keys can rotate.
   */
  readonly signingKeys: Readonly<Record<string, string>>
  /** What differs from the default policies. */
  readonly policies?: Partial<PolicySettings> | undefined
  readonly lanes?: Partial<LaneOptions> | undefined
  /** How often to tidy in the background; `false` for never. Default: never. */
  readonly sweepEvery?: Duration.Input | false | undefined
}

/** The engine's layer for some options, over a store. */
export const layerOf = (
  options: BoxOfficeOptions
): Layer.Layer<
  BoxOffice | Queue | Catalog | Reservations | Wallet | Payments,
  TicketKeysInvalid,
  BoxOfficeStore
> => {
  const keys = Object.entries(options.signingKeys)
  const tickets = Tickets.layer(keys.map(([id, secret]) => ({ id, secret: Redacted.make(secret) })))
  const policies = Layer.effect(
    Policies,
    Schema.decodeUnknownEffect(Schema.toType(PolicySettings))({
      ...defaultPolicies,
      ...options.policies
    }).pipe(Effect.orDie)
  )
  const lanes =
    options.lanes === undefined
      ? Layer.empty
      : Layer.effect(
          LaneSettings,
          Effect.map(LaneSettings, (current) => ({ ...current, ...options.lanes }))
        )
  const sweeper = options.sweepEvery ? layerSweeper(options.sweepEvery) : Layer.empty
  return sweeper.pipe(
    Layer.provideMerge(BoxOffice.layer),
    Layer.provide([tickets, policies, lanes])
  )
}

/** A service's operations as promises, which reject with the operation's own tagged error. */
type Promised<Service> = {
  readonly [Name in keyof Service]: Service[Name] extends (
    ...args: infer Args
  ) => Effect.Effect<infer A, infer _E>
    ? (...args: [...Args, options?: { readonly signal?: AbortSignal }]) => Promise<A>
    : Service[Name] extends (...args: infer Args) => Stream.Stream<infer A, infer _E>
      ? (...args: Args) => AsyncIterable<A>
      : never
}

/** The engine without Effect: the same services, as promises and async iterables. */
export interface PromisedBoxOffice extends AsyncDisposable {
  readonly queue: Promised<Queue["Service"]>
  readonly catalog: Promised<Catalog["Service"]>
  readonly reservations: Promised<Reservations["Service"]>
  readonly wallet: Promised<Wallet["Service"]>
  readonly payments: Promised<Payments["Service"]>
  /**
   * Lets what is in flight end, refuses what waits for its turn, and gives the store's connections
   * back.
   */
  readonly close: () => Promise<void>
}

/**
 * Makes the engine for a backend that does not use Effect. Rejections are the tagged errors:
 * `error._tag` and `error.code` tell them apart.
 *
 * @example
 * ```ts
 * import { makeBoxOffice } from "@boxoffice/core"
 * import { layerMemory } from "@boxoffice/core/testing"
 *
 * await using office = await makeBoxOffice(layerMemory, {
 *   signingKeys: { k1: "a secret of at least thirty-two bytes" }
 * })
 * await office.queue.create({ queueId: "main" })
 * const { token, state } = await office.queue.join({ queueId: "main", userId: "ada" })
 * console.log(state, token.length)
 * ```
 */
export const makeBoxOffice = async <E>(
  store: Layer.Layer<BoxOfficeStore, E>,
  options: BoxOfficeOptions
): Promise<PromisedBoxOffice> => {
  // Not a ManagedRuntime: its end would interrupt the callers of what is in flight.
  const scope = Scope.makeUnsafe()
  const layer = Layer.provide(layerOf(options), store)
  const context = await Effect.runPromise(Layer.buildWithScope(layer, scope))
  const office = Context.get(context, BoxOffice)
  const runPromise = Effect.runPromiseWith(context)

  let closed: Promise<void> | undefined
  const close = () => {
    closed ??= Effect.runPromise(Scope.close(scope, Exit.void))
    return closed
  }
  const run = (
    operation: Effect.Effect<unknown, unknown> | Stream.Stream<unknown, unknown>,
    options?: { readonly signal: AbortSignal }
  ) => {
    if (Stream.isStream(operation)) {
      return Stream.toAsyncIterableWith(closed ? Stream.fail(engineClosed) : operation, context)
    }
    return runPromise(closed ? Effect.fail(engineClosed) : operation, options)
  }

  const promised = <Service extends object>(service: Service): Promised<Service> =>
    Object.fromEntries(
      Object.entries(service).map(([name, operation]) => [
        name,
        (...args: ReadonlyArray<unknown>) => {
          const options = args.at(-1)
          if (!isSignalOption(options)) return run(operation(...args))
          return run(operation(...args.slice(0, -1)), options)
        }
      ])
    ) as Promised<Service>

  return {
    queue: promised(office.queue),
    catalog: promised(office.catalog),
    reservations: promised(office.reservations),
    wallet: promised(office.wallet),
    payments: promised(office.payments),
    close,
    [Symbol.asyncDispose]: close
  }
}

const engineClosed = new StoreUnavailable({ retryable: false, cause: "The engine is closed." })

const isSignalOption = (value: unknown): value is { readonly signal: AbortSignal } =>
  typeof value === "object" &&
  value !== null &&
  "signal" in value &&
  value.signal instanceof AbortSignal
