/** Types of the catalogue: shows, their performances, and the seats of each. */
import { Schema } from "effect"
import { PerformanceId, QueueId, SeatId, ShowId } from "../Ids.ts"
import { Instant } from "../Instant.ts"
import { Amount, type Currency, KnownCurrency, Money } from "../Money.ts"

// No control characters: some stores cannot keep them, and no screen shows them.
const visible = Schema.isPattern(/^[^\p{Cc}\p{Cs}]*$/u, {
  expected: "a text without control characters"
})
const label = Schema.String.check(Schema.isBetweenLength(1, 64), visible)

/** Whether the runtime knows this IANA time zone. */
const isTimeZone = (zone: string): boolean => {
  try {
    new Intl.DateTimeFormat("en", { timeZone: zone })
    return true
  } catch {
    return false
  }
}

/** An IANA time zone, such as `Asia/Seoul`. */
export const TimeZone = Schema.String.check(
  Schema.isBetweenLength(1, 64),
  Schema.makeFilter((zone) => isTimeZone(zone) || "expected an IANA time zone")
)

/** An offer such as a concert, with one queue in front of it. */
export const Show = Schema.Struct({
  showId: ShowId,
  title: Schema.String.check(Schema.isBetweenLength(1, 200), visible),
  queueId: QueueId,
  /** Seats can be booked from this instant on; `null`: at once. */
  salesOpenAt: Schema.NullOr(Instant),
  /** Seats can be booked before this instant; `null`: until the performance starts. */
  salesCloseAt: Schema.NullOr(Instant)
}).annotate({ identifier: "Show" })
export interface Show extends Schema.Schema.Type<typeof Show> {}

/** One dated occurrence of a show. */
export const Performance = Schema.Struct({
  performanceId: PerformanceId,
  showId: ShowId,
  startsAt: Instant,
  timeZone: TimeZone
}).annotate({ identifier: "Performance" })
export interface Performance extends Schema.Schema.Type<typeof Performance> {}

/** A performance as stored. */
export interface StoredPerformance extends Performance {
  /** The currency of all its seats; `null` until the first seats are added. */
  readonly currency: Currency | null
}

/** `blocked`: not on sale, because the organiser keeps the seat back or sales are not open. */
export const SeatStatus = Schema.Literals(["available", "held", "sold", "blocked"])
export type SeatStatus = typeof SeatStatus.Type

const seatFields = {
  seatId: SeatId,
  section: label,
  row: label,
  number: label,
  price: Money
}

/** A seat as part of a reservation. */
export const Seat = Schema.Struct(seatFields).annotate({ identifier: "Seat" })
export interface Seat extends Schema.Schema.Type<typeof Seat> {}

/** A seat on the map of its performance. */
export const SeatOnMap = Schema.Struct({ ...seatFields, status: SeatStatus }).annotate({
  identifier: "SeatOnMap"
})
export interface SeatOnMap extends Schema.Schema.Type<typeof SeatOnMap> {}

/** A seat to add to a performance. */
export const NewSeat = Schema.Struct({
  seatId: SeatId,
  section: label,
  row: label,
  number: label,
  price: Schema.Struct({
    amount: Amount.check(Schema.isBetweenBigInt({ minimum: 0n, maximum: 2n ** 53n - 1n })),
    currency: KnownCurrency
  }),
  blocked: Schema.optionalKey(Schema.Boolean)
}).annotate({ identifier: "NewSeat" })
export interface NewSeat extends Schema.Schema.Type<typeof NewSeat> {}

/** The seats of one performance at one instant. */
export const SeatMap = Schema.Struct({
  performanceId: PerformanceId,
  /** Grows whenever the status of a seat changes, a lapsing hold included. */
  version: Schema.Int,
  asOf: Instant,
  seats: Schema.Array(SeatOnMap)
}).annotate({ identifier: "SeatMap" })
export interface SeatMap extends Schema.Schema.Type<typeof SeatMap> {}

/** A performance that can be booked, as the list of dates shows it. */
export const BookablePerformance = Schema.Struct({
  performanceId: PerformanceId,
  startsAt: Instant,
  timeZone: Schema.String,
  availableSeats: Schema.Int,
  totalSeats: Schema.Int,
  /** The price of the cheapest seat that is available. */
  priceFrom: Money
}).annotate({ identifier: "BookablePerformance" })
export interface BookablePerformance extends Schema.Schema.Type<typeof BookablePerformance> {}

/** The dates of a show that have a bookable seat, by the local date of each performance. */
export const AvailableDates = Schema.Struct({
  showId: ShowId,
  dates: Schema.Array(
    Schema.Struct({ date: Schema.String, performances: Schema.Array(BookablePerformance) })
  )
}).annotate({ identifier: "AvailableDates" })
export interface AvailableDates extends Schema.Schema.Type<typeof AvailableDates> {}

/** A performance as loaded for a batch, with the queue and the sales window of its show. */
export interface PerformanceRow {
  readonly performanceId: PerformanceId
  readonly showId: ShowId
  readonly queueId: QueueId
  readonly startsAt: number
  readonly salesOpenAt: number | null
  readonly salesCloseAt: number | null
}

/** Whether seats of a performance can be booked at an instant. */
export const isOnSale = (
  performance: Pick<PerformanceRow, "startsAt" | "salesOpenAt" | "salesCloseAt">,
  now: number
): boolean =>
  (performance.salesOpenAt === null || performance.salesOpenAt <= now) &&
  (performance.salesCloseAt === null || now < performance.salesCloseAt) &&
  now < performance.startsAt
