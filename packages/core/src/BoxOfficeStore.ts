/**
 * The port that a store implements. A store moves rows: it loads and locks them, saves them, and
 * knows the time. It decides nothing.
 */
import { Context, type Effect, type Scope } from "effect"
import type { PerformanceRow, Show, StoredPerformance } from "./catalog/model.ts"
import type { StoreUnavailable } from "./Errors.ts"
import type { LoadPlan } from "./engine/LoadPlan.ts"
import type { Rows } from "./engine/Rows.ts"
import type { Deliveries } from "./events/Deliveries.ts"
import type { Outbox } from "./events/Outbox.ts"
import type {
  PerformanceId,
  QueueId,
  ReservationId,
  ShowId,
  TokenId,
  TransferId,
  UserId
} from "./Ids.ts"
import type { Currency } from "./Money.ts"
import type { Sighting } from "./queue/live/presence.ts"
import type { AdmissionCount, Departure, QueueRow, TokenRow } from "./queue/model.ts"
import type { ReservationRow, SeatRow } from "./reservation/model.ts"
import type { TransferRow, WalletRow } from "./wallet/model.ts"

/** Where a page of a list begins, and how many it may have. */
export interface Page<Cursor> {
  readonly after: Cursor | undefined
  readonly limit: number
}

/** A token with its place, as read without a lock. */
export interface TokenReading {
  readonly now: number
  readonly token: TokenRow | undefined
  /** How many wait in front of it. */
  readonly ahead: number
  /** The queue in front of the show or performance asked about, if there is one. */
  readonly requiredQueueId: QueueId | undefined
}

/**
 * A queue as read without a lock, and what has happened in it since. What reading it costs depends
 * on how much that is, and not on how many wait.
 */
export interface QueueReading {
  readonly now: number
  /** Nobody was loaded with it. */
  readonly queue: QueueRow
  /** Whether an admitted token has lapsed and is not tidied yet. */
  readonly lapsed: boolean
  /** The departures after the one asked about, in order: at most {@link departuresPerReading}. */
  readonly departures: ReadonlyArray<Departure>
  /** The admissions of the last 60 seconds, the oldest first. */
  readonly admissions: ReadonlyArray<AdmissionCount>
}

/** The most departures that one reading gives; the rest follow in the next. */
export const departuresPerReading = 20_000

/** What a gate look-up is about. */
export interface GateQuestion {
  readonly tokenId: TokenId
  readonly showId?: ShowId
  readonly performanceId?: PerformanceId
}

/** One performance of the list of dates. Seats are counted as they stand at `now`. */
export interface PerformanceReading extends PerformanceRow {
  readonly timeZone: string
  readonly availableSeats: number
  readonly totalSeats: number
  /** The cheapest available seat; `null` where none is. */
  readonly priceFrom: { readonly amount: bigint; readonly currency: Currency } | null
}

/** All seats of a performance, as read without a lock. */
export interface SeatsReading {
  readonly now: number
  readonly performance: PerformanceRow
  /** Grows by at least two for each seat that a batch changes. */
  readonly version: number
  readonly seats: ReadonlyArray<SeatRow>
}

/** A reservation, or several, as read without a lock. */
export interface ReservationsReading {
  readonly now: number
  readonly reservations: ReadonlyArray<ReservationRow>
}

/** What lapsed and is not tidied yet. */
export interface Lapsed {
  readonly reservations: ReadonlyArray<ReservationId>
  /** Queues with a lapsed admitted token, or with room and somebody waiting. */
  readonly queues: ReadonlyArray<QueueId>
}

/** See the module. Every effect can fail with `StoreUnavailable` alone. */
export class BoxOfficeStore extends Context.Service<
  BoxOfficeStore,
  {
    /**
     * Runs one batch in one transaction: loads and locks the named rows, reads the clock, lets
     * `decide` evolve them, and saves what changed. Commits whatever `decide` returns.
     *
     * `decide` may run more than once, each time on freshly loaded rows, where the database asks
     * for a retry. It must do nothing but read and evolve the rows it is given.
     */
    readonly transact: <A>(
      plan: LoadPlan,
      decide: (rows: Rows) => A
    ) => Effect.Effect<A, StoreUnavailable>

    /**
     * The rows of a plan that other transactions have locked now, by their `lockKey`. Waits for none
     * of them, and locks nothing beyond its own end.
     */
    readonly lockedRows: (plan: LoadPlan) => Effect.Effect<ReadonlySet<string>, StoreUnavailable>

    /** The tokens and the queues that are asked about, in one round trip and in their order. */
    readonly readTokens: (
      questions: ReadonlyArray<GateQuestion>
    ) => Effect.Effect<ReadonlyArray<TokenReading>, StoreUnavailable>

    /** See {@link QueueReading}. `after` is the last departure that is known already. */
    readonly readQueue: (
      queueId: QueueId,
      after: bigint
    ) => Effect.Effect<QueueReading | undefined, StoreUnavailable>
    /** As its operator sees it: `active` leaves out who has lapsed. */
    readonly queue: (queueId: QueueId) => Effect.Effect<QueueRow | undefined, StoreUnavailable>
    readonly queues: (
      page: Page<QueueId>
    ) => Effect.Effect<ReadonlyArray<QueueRow>, StoreUnavailable>
    readonly show: (showId: ShowId) => Effect.Effect<Show | undefined, StoreUnavailable>
    readonly shows: (page: Page<ShowId>) => Effect.Effect<ReadonlyArray<Show>, StoreUnavailable>
    /** The performances of a show that exists, by start; `undefined` where the show does not. */
    readonly performances: (
      showId: ShowId
    ) => Effect.Effect<
      | { readonly now: number; readonly performances: ReadonlyArray<PerformanceReading> }
      | undefined,
      StoreUnavailable
    >
    /**
     * Seats in order of section, row and number as they were added. Where nothing has changed since
     * the reading `before`, its array of seats is given again, and they need not be read.
     */
    readonly seats: (
      performanceId: PerformanceId,
      before?: SeatsReading
    ) => Effect.Effect<SeatsReading | undefined, StoreUnavailable>
    readonly reservation: (
      reservationId: ReservationId
    ) => Effect.Effect<ReservationsReading, StoreUnavailable>
    /** A user's reservations, newest first. */
    readonly reservations: (
      userId: UserId,
      page: Page<{ readonly heldAt: number; readonly reservationId: ReservationId }>
    ) => Effect.Effect<ReservationsReading, StoreUnavailable>
    readonly wallet: (userId: UserId) => Effect.Effect<WalletRow | undefined, StoreUnavailable>
    /** The reservation that a payment confirmed. */
    readonly paid: (
      paymentId: TransferId
    ) => Effect.Effect<
      Pick<ReservationRow, "reservationId" | "userId"> | undefined,
      StoreUnavailable
    >
    /** A wallet's transfers, newest first; `after` is a version. */
    readonly transfers: (
      userId: UserId,
      page: Page<number>
    ) => Effect.Effect<ReadonlyArray<TransferRow>, StoreUnavailable>
    /** At most `limit` of each kind of what has lapsed. */
    readonly lapsed: (limit: number) => Effect.Effect<Lapsed, StoreUnavailable>

    readonly performance: (
      performanceId: PerformanceId
    ) => Effect.Effect<StoredPerformance | undefined, StoreUnavailable>
    /** Notes who of a queue is there now; what others have noted stays. */
    readonly markSeen: (
      queueId: QueueId,
      sightings: ReadonlyArray<Sighting>
    ) => Effect.Effect<void, StoreUnavailable>
    /**
     * Clears away tokens that ended more than so many milliseconds ago, and what is left of
     * departures that the line has passed: at most `limit` of each. Gives how many tokens.
     */
    readonly clearEnded: (
      olderThanMs: number,
      limit: number
    ) => Effect.Effect<number, StoreUnavailable>
    /**
     * Deletes reservations that were released, or expired, more than so many milliseconds ago: at
     * most `limit`. Those that were ever paid stay. Gives how many.
     */
    readonly clearReservations: (
      olderThanMs: number,
      limit: number
    ) => Effect.Effect<number, StoreUnavailable>
    /**
     * Deletes outcomes that were recorded more than so many milliseconds ago, by the store's own
     * clock: at most `limit`. Gives how many. Their keys are forgotten with them.
     */
    readonly clearOutcomes: (
      olderThanMs: number,
      limit: number
    ) => Effect.Effect<number, StoreUnavailable>

    /** What was committed, to be read, and who has read how much of it. */
    readonly outbox: Outbox
    /** Webhook deliveries that wait, or were given up. */
    readonly deliveries: Deliveries

    /** Succeeds when the store can be used. */
    readonly ping: Effect.Effect<void, StoreUnavailable>
    /**
     * An engine is closing for as long as the scope lasts, and waits for what is in flight: the store
     * ends every wait within a time of its own.
     */
    readonly closing: Effect.Effect<void, StoreUnavailable, Scope.Scope>
  }
>()("@boxoffice/core/BoxOfficeStore") {}
