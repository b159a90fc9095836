/**
 * The engine for hosts that use Effect: `BoxOffice.layer` provides the six services over a store.
 * For all other hosts, `Promises.ts` has the same operations as promises.
 */
import { Context, Effect, Layer, Redacted } from "effect"
import type { BoxOfficeStore } from "./BoxOfficeStore.ts"
import { Catalog } from "./Catalog.ts"
import { EventFeed } from "./EventFeed.ts"
import { type BatchOptions, BatchSettings } from "./engine/Command.ts"
import { layerCommittedEvents } from "./engine/CommittedEvents.ts"
import { withShutdown } from "./engine/Shutdown.ts"
import { Gate } from "./Gate.ts"
import { checkInterval, type Interval } from "./Interval.ts"
import { checkNames, checkObject, kindOf } from "./options.ts"
import { Payments } from "./Payments.ts"
import { Policies } from "./Policies.ts"
import { checkPolicies, reportAdmission } from "./policies/check.ts"
import type { PoliciesInvalid } from "./policies/errors.ts"
import type { PolicyOptions } from "./policies/rules.ts"
import { Queue } from "./Queue.ts"
import { LiveQueues } from "./queue/live/LiveQueues.ts"
import { Reservations } from "./Reservations.ts"
import { layerSweeper } from "./Sweeper.ts"
import { QueueTokens, type SigningKeysInvalid } from "./token/QueueTokens.ts"
import { Wallet } from "./Wallet.ts"

/** The services that an engine's layer provides: the six, and `BoxOffice` with all of them. */
export type BoxOfficeServices =
  | BoxOffice
  | Queue
  | Catalog
  | Reservations
  | Wallet
  | Payments
  | EventFeed

/** The six services together. */
export class BoxOffice extends Context.Service<
  BoxOffice,
  {
    readonly queue: Queue["Service"]
    readonly catalog: Catalog["Service"]
    readonly reservations: Reservations["Service"]
    readonly wallet: Wallet["Service"]
    readonly payments: Payments["Service"]
    readonly events: EventFeed["Service"]
  }
>()("@boxoffice/core/BoxOffice") {
  /** The services, over a store and the keys that sign queue tokens. Starts no background work. */
  static readonly layer: Layer.Layer<BoxOfficeServices, never, BoxOfficeStore | QueueTokens> =
    Layer.suspend(() => withShutdown(layerServices))
}

/** The services, without the orderly shutdown that `withShutdown` adds. */
const layerServices: Layer.Layer<BoxOfficeServices, never, BoxOfficeStore | QueueTokens> =
  Layer.effect(
    BoxOffice,
    Effect.gen(function* () {
      return BoxOffice.of({
        queue: yield* Queue,
        catalog: yield* Catalog,
        reservations: yield* Reservations,
        wallet: yield* Wallet,
        payments: yield* Payments,
        events: yield* EventFeed
      })
    })
  ).pipe(
    Layer.provideMerge(
      Layer.mergeAll(
        Queue.layer,
        Catalog.layer,
        Reservations.layer,
        Wallet.layer,
        Payments.layer,
        EventFeed.layer
      )
    ),
    Layer.provide(Gate.layer),
    Layer.provide(LiveQueues.layer),
    Layer.provide(layerCommittedEvents)
  )

/** The options of an engine. */
export interface BoxOfficeOptions {
  /**
   * Secrets that sign queue tokens, of at least 32 bytes each, by a short id. The first one signs;
   * all of them verify, so that keys can rotate.
   */
  readonly signingKeys: Readonly<Record<string, string>>
  /** The policies that differ from the defaults: values, or functions of the host. */
  readonly policies?: Partial<PolicyOptions> | undefined
  /** How many batchers there are, how many commands a batch has, and how many may wait. */
  readonly batches?: Partial<BatchOptions> | undefined
  /**
   * How often the sweeper runs in the background, such as `"1 second"`; `false` for never. Default:
   * never.
   */
  readonly sweepEvery?: Interval | false | undefined
}

/** @internal The names of {@link BoxOfficeOptions}. */
export const optionNames = ["signingKeys", "policies", "batches", "sweepEvery"] as const

/** @internal Throws a `TypeError` that names the option if one is unknown or invalid. */
const checkOptions = (given: unknown): void => {
  const { signingKeys, policies, batches, sweepEvery } = checkNames(
    "the options",
    given,
    optionNames
  )
  const secrets = checkObject("signingKeys", signingKeys, expectedKeys)
  for (const [id, secret] of Object.entries(secrets)) {
    if (typeof secret === "string") continue
    throw new TypeError(`signingKeys.${id}: expected ${expectedKeys}, not ${kindOf(secret)}.`)
  }
  // `checkPolicies` checks their contents, and reports all problems at once.
  if (policies !== undefined) checkObject("policies", policies, "an object of policies by name")
  if (batches !== undefined) checkBatches(batches)
  if (sweepEvery !== undefined && sweepEvery !== false) checkInterval("sweepEvery", sweepEvery)
}

const expectedKeys =
  'secrets of at least 32 bytes by their ids, such as { k1: "a secret of at least thirty-two bytes" }'

const checkBatches = (given: unknown): void => {
  const batches = checkNames("batches", given, ["batchers", "capacity", "batchSize"])
  for (const [name, value] of Object.entries(batches)) {
    if (Number.isInteger(value) && Number(value) >= 1 && Number(value) < 2 ** 31) continue
    throw new TypeError(`batches.${name}: expected a whole number from 1 on.`)
  }
}

/**
 * The engine's layer for some options, over a store. Throws a `TypeError` if an option is unknown
 * or invalid.
 */
export const layerOf = (
  options: BoxOfficeOptions
): Layer.Layer<BoxOfficeServices, SigningKeysInvalid | PoliciesInvalid, BoxOfficeStore> => {
  checkOptions(options)
  const keys = Object.entries(options.signingKeys)
  const queueTokens = QueueTokens.layer(
    keys.map(([id, secret]) => ({ id, secret: Redacted.make(secret) }))
  )
  const policies = Layer.effect(
    Policies,
    Effect.flatMap(checkPolicies(options.policies ?? {}), reportAdmission)
  )
  const batches =
    options.batches === undefined
      ? Layer.empty
      : Layer.effect(
          BatchSettings,
          Effect.map(BatchSettings, (current) => ({ ...current, ...options.batches }))
        )
  const sweeper = options.sweepEvery ? layerSweeper(options.sweepEvery) : Layer.empty
  return withShutdown(Layer.provideMerge(sweeper, layerServices)).pipe(
    Layer.provide([queueTokens, policies, batches])
  )
}
