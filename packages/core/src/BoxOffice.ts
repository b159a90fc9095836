/**
 * The engine, for Effect: `BoxOffice.layer` gives the six services over a store. For everyone
 * else, `Promises.ts` gives the same as promises.
 */
import { Context, Effect, Layer, Redacted } from "effect"
import { Catalog } from "./Catalog.ts"
import { layerAnnounced } from "./Changes.ts"
import { ending } from "./Ending.ts"
import { EventFeed } from "./EventFeed.ts"
import { Gate } from "./Gate.ts"
import type { Interval } from "./Interval.ts"
import { type LaneOptions, LaneSettings } from "./Lanes.ts"
import { Payments } from "./Payment.ts"
import { Policies } from "./Policies.ts"
import { checkPolicies, reportAdmission } from "./policies/check.ts"
import type { PoliciesInvalid } from "./policies/errors.ts"
import type { PolicyRules } from "./policies/rules.ts"
import { Queue } from "./Queue.ts"
import { Lines } from "./queue/lines.ts"
import { type TicketKeysInvalid, Tickets } from "./queue/ticket.ts"
import { Reservations } from "./Reservation.ts"
import type { BoxOfficeStore } from "./Store.ts"
import { layerSweeper } from "./Sweeper.ts"
import { Wallet } from "./Wallet.ts"

/** What an engine's layer provides: the six services, together and each by itself. */
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
  /** The services, over a store and the keys that sign queue tokens. Starts nothing by itself. */
  static readonly layer: Layer.Layer<BoxOfficeServices, never, BoxOfficeStore | Tickets> =
    Layer.suspend(() => ending(layerServices))
}

/** The services, and nothing yet of how they end. */
const layerServices: Layer.Layer<BoxOfficeServices, never, BoxOfficeStore | Tickets> = Layer.effect(
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
  Layer.provide(Lines.layer),
  Layer.provide(layerAnnounced)
)

/** What every engine is made with. */
export interface BoxOfficeOptions {
  /**
   * Secrets that sign queue tokens, of at least 32 bytes each, by a short id. The first signs; all
   * verify, so that keys can rotate.
   */
  readonly signingKeys: Readonly<Record<string, string>>
  /** What differs from the default policies: values, or functions of yours. */
  readonly policies?: Partial<PolicyRules> | undefined
  /** How many commands travel together, and how many may wait. */
  readonly lanes?: Partial<LaneOptions> | undefined
  /**
   * How often to tidy in the background, such as `"1 second"`; `false` for never. Default: never.
   */
  readonly sweepEvery?: Interval | false | undefined
}

/** The engine's layer for some options, over a store. */
export const layerOf = (
  options: BoxOfficeOptions
): Layer.Layer<BoxOfficeServices, TicketKeysInvalid | PoliciesInvalid, BoxOfficeStore> => {
  const keys = Object.entries(options.signingKeys)
  const tickets = Tickets.layer(keys.map(([id, secret]) => ({ id, secret: Redacted.make(secret) })))
  const policies = Layer.effect(
    Policies,
    Effect.flatMap(checkPolicies(options.policies ?? {}), reportAdmission)
  )
  const lanes =
    options.lanes === undefined
      ? Layer.empty
      : Layer.effect(
          LaneSettings,
          Effect.map(LaneSettings, (current) => ({ ...current, ...options.lanes }))
        )
  const sweeper = options.sweepEvery ? layerSweeper(options.sweepEvery) : Layer.empty
  return ending(Layer.provideMerge(sweeper, layerServices)).pipe(
    Layer.provide([tickets, policies, lanes])
  )
}
