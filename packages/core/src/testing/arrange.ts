/**
 * Creates the data that a test starts with, one call each. It uses the engine's own operations, so
 * the data is as in production.
 */
import { Clock, Effect } from "effect"
import { BoxOffice } from "../BoxOffice.ts"
import type { SeatInput, ShowInput } from "../Catalog.ts"
import type { Show } from "../catalog/model.ts"
import type { Money } from "../Money.ts"
import type { QueueSettings } from "../policies/settings.ts"
import type { QueueInfo } from "../queue/model.ts"
import type { Reservation } from "../reservation/model.ts"
import type { Charge } from "../wallet/model.ts"

export interface QueueToArrange {
  /** Default `main`. */
  readonly queueId?: string | undefined
  readonly settings?: Partial<QueueSettings> | undefined
}

/** A show. Default: `gala`, on sale at once, behind the queue that was arranged last. */
export interface ShowToArrange extends Partial<ShowInput> {}

export interface PerformanceToArrange {
  /** Default: the id of the show followed by `-1`, `-2` and so on. */
  readonly performanceId?: string | undefined
  /** Default: the show that was arranged last. */
  readonly showId?: string | undefined
  /** Default: in 30 days. */
  readonly startsAt?: Date | undefined
  /** Default `UTC`. */
  readonly timeZone?: string | undefined
  /**
   * The number of seats, with the ids `A1` and so on; or their ids; or complete seats. Default 10.
   */
  readonly seats?: number | ReadonlyArray<string | SeatInput> | undefined
  /** The price of each seat that has none of its own. Default 110,000 KRW. */
  readonly price?: Money | undefined
}

export interface ArrangedPerformance {
  readonly performanceId: string
  readonly showId: string
  readonly seatIds: ReadonlyArray<string>
}

export interface HoldToArrange {
  /** Default `ada`. */
  readonly userId?: string | undefined
  /** Default: the performance that was arranged last. */
  readonly performanceId?: string | undefined
  /** Default `["A1"]`. */
  readonly seatIds?: ReadonlyArray<string> | undefined
}

/** An admitted user, with the queue token that gated operations need. */
export interface AdmittedUser {
  readonly userId: string
  readonly queueToken: string
}

const day = 24 * 3_600_000

/**
 * Arranges data in the engine of the context. If an item needs another one, such as a show a queue,
 * and none has been arranged yet, that one is arranged, too.
 *
 * @example
 * ```ts
 * import { layerOf } from "@boxoffice/core"
 * import { arranging, layerMemory } from "@boxoffice/core/testing"
 * import { Effect, Layer } from "effect"
 *
 * const test = Effect.gen(function* () {
 *   const arrange = yield* arranging
 *   const { status } = yield* arrange.hold({ userId: "ada", seatIds: ["A1"] })
 *   console.log(status)
 * })
 * const signingKeys = { k1: "a secret of at least thirty-two bytes" }
 * const Office = Layer.provide(layerOf({ signingKeys }), layerMemory)
 * await Effect.runPromise(Effect.provide(test, Office))
 * ```
 */
export const arranging = Effect.suspend(() => arrangingIn("KRW"))

/**
 * The same, with seats priced in the given currency, which must be that of the engine's wallets.
 */
export const arrangingIn = (currency: string) =>
  Effect.map(BoxOffice, (office) => {
    const { catalog, reservations, wallet } = office
    let lastQueue: string | undefined
    let lastShow: string | undefined
    let lastPerformance: string | undefined
    let performances = 0

    const queue = Effect.fnUntraced(function* (input: QueueToArrange = {}) {
      const { queueId = "main", settings } = input
      const created = yield* office.queue.create({ queueId, settings })
      lastQueue = queueId
      return created
    })
    const someQueue = Effect.suspend(() =>
      lastQueue === undefined
        ? Effect.map(queue(), ({ queueId }): string => queueId)
        : Effect.succeed(lastQueue)
    )

    const show = Effect.fnUntraced(function* (input: ShowToArrange = {}) {
      const { showId = "gala", queueId = yield* someQueue } = input
      const defaults = { title: "Gala", salesOpenAt: null, salesCloseAt: null }
      const added = yield* catalog.addShow({ ...defaults, ...input, showId, queueId })
      lastShow = showId
      return added
    })
    const someShow = Effect.suspend(() =>
      lastShow === undefined
        ? Effect.map(show(), ({ showId }): string => showId)
        : Effect.succeed(lastShow)
    )

    const performance = Effect.fnUntraced(function* (input: PerformanceToArrange = {}) {
      const { showId = yield* someShow, timeZone = "UTC", seats = 10 } = input
      const performanceId = input.performanceId ?? `${showId}-${performances + 1}`
      const startsAt = input.startsAt ?? new Date((yield* Clock.currentTimeMillis) + 30 * day)
      const price = input.price ?? { amount: 110_000n, currency }
      const named = typeof seats === "number" ? seatIdsOf(seats) : seats
      const newSeats = named.map((seat, i) =>
        typeof seat === "string"
          ? { seatId: seat, section: "Stalls", row: "A", number: String(i + 1), price }
          : seat
      )
      yield* catalog.addPerformance({ performanceId, showId, startsAt, timeZone })
      yield* catalog.addSeats({ performanceId, seats: newSeats })
      performances++
      lastPerformance = performanceId
      return { performanceId, showId, seatIds: newSeats.map(({ seatId }) => seatId) }
    })
    const somePerformance = Effect.suspend(() =>
      lastPerformance === undefined
        ? Effect.map(performance(), ({ performanceId }) => performanceId)
        : Effect.succeed(lastPerformance)
    )

    const admitted = Effect.fnUntraced(function* (userId = "ada", queueId?: string) {
      const joined = yield* office.queue.join({ userId, queueId: queueId ?? (yield* someQueue) })
      if (joined.state !== "admitted") {
        return yield* Effect.die(
          new Error(`${userId} is ${joined.state}, at ${joined.position}: the queue has no room.`)
        )
      }
      return { userId, queueToken: joined.token }
    })

    const charged = Effect.fnUntraced(function* (userId: string, amount: Money) {
      return yield* wallet.charge({ ...(yield* admitted(userId)), amount })
    })

    const hold = Effect.fnUntraced(function* (input: HoldToArrange = {}) {
      const { performanceId = yield* somePerformance, seatIds = ["A1"] } = input
      const caller = yield* admitted(input.userId)
      return yield* reservations.hold({ ...caller, performanceId, seatIds })
    })

    return { queue, show, performance, admitted, charged, hold }
  })

const seatIdsOf = (count: number): ReadonlyArray<string> =>
  Array.from({ length: count }, (_, i) => `A${i + 1}`)

/** {@link arranging}, as promises. */
export interface Arrange {
  /** A queue, open and empty. */
  readonly queue: (queue?: QueueToArrange) => Promise<QueueInfo>
  /** A show, and a queue in front of it. */
  readonly show: (show?: ShowToArrange) => Promise<Show>
  /** A performance with seats, of a show. */
  readonly performance: (performance?: PerformanceToArrange) => Promise<ArrangedPerformance>
  /**
   * A user, `ada` by default, who has joined the queue that was arranged last and was admitted.
   * Rejects if the user would have to wait.
   */
  readonly admitted: (userId?: string, queueId?: string) => Promise<AdmittedUser>
  /** Adds money to a user's wallet. */
  readonly charged: (userId: string, amount: Money) => Promise<Charge>
  /** Holds seats for a user. */
  readonly hold: (hold?: HoldToArrange) => Promise<Reservation>
}
