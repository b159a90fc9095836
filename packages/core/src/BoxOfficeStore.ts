/**
 * The port that a store implements. A store moves rows: it loads and locks them, saves them, and reads
 * the clock. It decides nothing.
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
import type { AdmissionCount, Departure, QueueRow, TokenRow } from "./queue/model.ts"
import type { Sighting } from "./queue/presence.ts"
import type { ReservationRow, SeatRow } from "./reservation/model.ts"
import type { TransferRow, WalletRow } from "./wallet/model.ts"

/** Where a page of a list begins, and how many it may have. */
export interface PageRequest<Cursor> {
  readonly after: Cursor | undefined
  readonly limit: number
}

/** A token, and how many tokens wait in front of it, as read without a lock. */
export interface TokenReading {
  readonly now: number
  readonly token: TokenRow | undefined
  readonly ahead: number
  /** The queue in front of the show or performance asked about, if there is one. */
  readonly requiredQueueId: QueueId | undefined
}

/**
 * A queue as read without a lock, and its departures since the last reading. The cost depends on how
 * many those are, and not on how many tokens wait.
 */
export interface QueueReading {
  readonly now: number
  /** Loaded without tokens. */
  readonly queue: QueueRow
  /** Whether an admitted token has lapsed and is not yet recorded as expired. */
  readonly lapsed: boolean
  /** The departures after the one asked about, in order: at most {@link departuresPerReading}. */
  readonly departures: ReadonlyArray<Departure>
  /** The admissions of the last 60 seconds, the oldest first. */
  readonly admissions: ReadonlyArray<AdmissionCount>
}

/** The most departures that one reading gives; the rest follow in the next. */
export const departuresPerReading = 20_000

/** A token to read, and the show or performance that it is shown for. */
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
  /** The cheapest available seat; `null` if none is available. */
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

/** What has lapsed and is not yet recorded. */
export interface Lapsed {
  readonly reservations: ReadonlyArray<ReservationId>
  /** Queues with a lapsed admitted token, or with room and waiting tokens. */
  readonly queues: ReadonlyArray<QueueId>
}

/** What the engine needs of a store. Every effect can fail with `StoreUnavailable` alone. */
export class BoxOfficeStore extends Context.Service<
  BoxOfficeStore,
  {
    /**
     * Runs one batch in one transaction: loads and locks the named rows, reads the clock, lets
     * `decide` evolve them, and saves what changed. It commits whatever `decide` returns: a refusal is
     * an outcome, too.
     *
     * If the database asks for a retry, `decide` runs again on newly loaded rows. It must do nothing
     * except read and evolve the rows it is given.
     */
    readonly transact: <A>(
      plan: LoadPlan,
      decide: (rows: Rows) => A
    ) => Effect.Effect<A, StoreUnavailable>

    /**
     * The rows of a plan that other transactions have locked now, by their `lockKey`, each with a name
     * of the transaction that holds it. Waits for none of them, and locks nothing beyond its own end.
     */
    readonly lockedRows: (
      plan: LoadPlan
    ) => Effect.Effect<ReadonlyMap<string, string>, StoreUnavailable>

    /** Reads tokens, in one round trip and in the order of the questions. */
    readonly readTokens: (
      questions: ReadonlyArray<GateQuestion>
    ) => Effect.Effect<ReadonlyArray<TokenReading>, StoreUnavailable>

    /** See {@link QueueReading}. `after` is the last departure that the caller has. */
    readonly readQueue: (
      queueId: QueueId,
      after: bigint
    ) => Effect.Effect<QueueReading | undefined, StoreUnavailable>
    /** The queue for its operator: `active` leaves out lapsed tokens. */
    readonly queue: (queueId: QueueId) => Effect.Effect<QueueRow | undefined, StoreUnavailable>
    readonly queues: (
      page: PageRequest<QueueId>
    ) => Effect.Effect<ReadonlyArray<QueueRow>, StoreUnavailable>
    readonly show: (showId: ShowId) => Effect.Effect<Show | undefined, StoreUnavailable>
    readonly shows: (
      page: PageRequest<ShowId>
    ) => Effect.Effect<ReadonlyArray<Show>, StoreUnavailable>
    /** The performances of a show, by start; `undefined` if there is no such show. */
    readonly performances: (
      showId: ShowId
    ) => Effect.Effect<
      | { readonly now: number; readonly performances: ReadonlyArray<PerformanceReading> }
      | undefined,
      StoreUnavailable
    >
    /**
     * Seats in the order in which they were added. If nothing has changed since the reading `before`,
     * the store gives its array of seats again and does not read them.
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
      page: PageRequest<{ readonly heldAt: number; readonly reservationId: ReservationId }>
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
      page: PageRequest<number>
    ) => Effect.Effect<ReadonlyArray<TransferRow>, StoreUnavailable>
    /** What has lapsed, at most `limit` of each kind. */
    readonly lapsed: (limit: number) => Effect.Effect<Lapsed, StoreUnavailable>

    readonly performance: (
      performanceId: PerformanceId
    ) => Effect.Effect<StoredPerformance | undefined, StoreUnavailable>
    /** Adds presence marks of waiting users. The marks of other nodes stay. */
    readonly markSeen: (
      queueId: QueueId,
      sightings: ReadonlyArray<Sighting>
    ) => Effect.Effect<void, StoreUnavailable>
    /**
     * Deletes tokens that ended more than `olderThanMs` ago, and departures that the cursor has passed:
     * at most `limit` of each. Gives how many tokens.
     */
    readonly clearTokens: (
      olderThanMs: number,
      limit: number
    ) => Effect.Effect<number, StoreUnavailable>
    /**
     * Deletes reservations that were released or expired more than `olderThanMs` ago, at most `limit`.
     * Reservations that were ever paid stay. Gives how many.
     */
    readonly clearReservations: (
      olderThanMs: number,
      limit: number
    ) => Effect.Effect<number, StoreUnavailable>
    /**
     * Deletes outcomes that were recorded more than `olderThanMs` ago by the store's own clock, at most
     * `limit`, and their idempotency keys with them. Gives how many.
     */
    readonly clearOutcomes: (
      olderThanMs: number,
      limit: number
    ) => Effect.Effect<number, StoreUnavailable>

    /** The committed events, and how far each consumer has read them. */
    readonly outbox: Outbox
    /** Webhook deliveries that wait for another try, and dead letters. */
    readonly deliveries: Deliveries

    /** Succeeds when the store can be used. */
    readonly ping: Effect.Effect<void, StoreUnavailable>
    /**
     * Tells the store that an engine closes while the scope is open, and waits for what is in flight. The
     * store ends every wait within a bound of its own.
     */
    readonly closing: Effect.Effect<void, StoreUnavailable, Scope.Scope>
  }
>()("@boxoffice/core/BoxOfficeStore") {}
