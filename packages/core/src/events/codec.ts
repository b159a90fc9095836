/**
 * Encodes events as JSON and decodes them without loss. A `bigint` becomes a string, since JSON
 * numbers are not exact in every reader; all other values stay as they are.
 */
import { Schema } from "effect"
import type { BoxOfficeEvent } from "../Events.ts"
import {
  PerformanceId,
  QueueId,
  ReservationId,
  SeatId,
  ShowId,
  TokenId,
  TransferId,
  UserId
} from "../Ids.ts"
import { bigintInJson, Currency, money } from "../Money.ts"
import { QueueSettings } from "../policies/settings.ts"
import { QueueLane, QueueMode } from "../queue/model.ts"

/**
 * The version of the format. A new field needs no new version if readers can do without it: they
 * ignore fields that they do not know. A change that readers must know needs the next version, and
 * code that still reads the old one.
 */
export const eventVersion = 1

const Money = Schema.Struct({ amount: Schema.BigIntFromString, currency: Currency })
const Instant = Schema.Int
const yes = Schema.Literal(true)

const token = { tokenId: TokenId, queueId: QueueId, userId: UserId, at: Instant }
const reservation = {
  reservationId: ReservationId,
  performanceId: PerformanceId,
  userId: UserId,
  at: Instant
}
const payment = { showId: ShowId, paymentId: TransferId, seatIds: Schema.Array(SeatId) }
const Seat = Schema.Struct({
  seatId: SeatId,
  section: Schema.String,
  row: Schema.String,
  number: Schema.String,
  price: Money
})

/** The schema of an event in JSON. */
export const EventJson = Schema.Union([
  Schema.TaggedStruct("QueueTokenIssued", {
    ...token,
    lane: Schema.optionalKey(QueueLane),
    number: Schema.BigIntFromString,
    codeHash: Schema.optionalKey(Schema.String)
  }),
  Schema.TaggedStruct("QueueTokenAdmitted", {
    ...token,
    claimed: Schema.Boolean,
    expiresAt: Instant
  }),
  Schema.TaggedStruct("QueueTokenExtended", { ...token, expiresAt: Instant }),
  Schema.TaggedStruct("QueueTokenCompleted", token),
  Schema.TaggedStruct("QueueTokenLeft", { ...token, away: Schema.optionalKey(yes) }),
  Schema.TaggedStruct("QueueTokenLapsed", {
    ...token,
    unclaimed: Schema.optionalKey(yes),
    closed: Schema.optionalKey(yes)
  }),
  Schema.TaggedStruct("QueueCreated", {
    queueId: QueueId,
    at: Instant,
    settings: QueueSettings,
    opening: Schema.optionalKey(Schema.Struct({ opensAt: Instant, commitment: Schema.String }))
  }),
  Schema.TaggedStruct("QueueCodesAdded", {
    queueId: QueueId,
    at: Instant,
    codes: Schema.Int,
    uses: Schema.Int
  }),
  Schema.TaggedStruct("QueueOpened", {
    queueId: QueueId,
    at: Instant,
    seed: Schema.String,
    drawn: Schema.BigIntFromString
  }),
  Schema.TaggedStruct("QueueRescheduled", {
    queueId: QueueId,
    at: Instant,
    opensAt: Instant,
    before: Instant
  }),
  Schema.TaggedStruct("QueueModeChanged", {
    queueId: QueueId,
    at: Instant,
    mode: QueueMode,
    before: QueueMode
  }),
  Schema.TaggedStruct("QueueConfigured", {
    queueId: QueueId,
    at: Instant,
    settings: QueueSettings,
    before: QueueSettings
  }),
  Schema.TaggedStruct("SeatsHeld", {
    ...reservation,
    seats: Schema.Array(Seat),
    amount: Money,
    holdExpiresAt: Instant
  }),
  Schema.TaggedStruct("HoldReleased", { ...reservation, seatIds: Schema.Array(SeatId) }),
  Schema.TaggedStruct("HoldLapsed", {
    ...reservation,
    holdExpiresAt: Instant,
    seatIds: Schema.Array(SeatId)
  }),
  Schema.TaggedStruct("WalletCharged", {
    transferId: TransferId,
    userId: UserId,
    amount: Money,
    at: Instant
  }),
  Schema.TaggedStruct("ReservationPaid", { ...reservation, ...payment, amount: Money }),
  Schema.TaggedStruct("PaymentRefunded", {
    ...reservation,
    ...payment,
    refundId: TransferId,
    amount: Money
  })
])

/** The events of a batch as one JSON array, at {@link eventVersion}. */
export const encodeEvents = (events: ReadonlyArray<BoxOfficeEvent>): string =>
  JSON.stringify(events, exactly)

// Gives the same JSON as the schema's own encoder, as a test shows, but costs less: it runs before
// each commit. It reads `this[key]`, since JSON.stringify has already called any `toJSON` for
// `value`.
function exactly(this: Record<string, unknown>, key: string, value: unknown): unknown {
  const original = this[key]
  if (typeof original === "bigint") return original.toString()
  return original === value ? value : { ...(original as object) }
}

const decode = Schema.decodeUnknownSync(Schema.Array(EventJson))

/** @internal An event that `JSON.stringify` can write: money as in results, counters as numbers. */
export const withJson = (event: BoxOfficeEvent): BoxOfficeEvent => {
  switch (event._tag) {
    case "SeatsHeld": {
      const seats = event.seats.map((seat) => ({ ...seat, price: moneyOf(seat.price) }))
      return { ...event, seats, amount: moneyOf(event.amount) }
    }
    case "WalletCharged":
    case "ReservationPaid":
    case "PaymentRefunded":
      return { ...event, amount: moneyOf(event.amount) }
    case "QueueTokenIssued":
    case "QueueOpened":
      return Object.defineProperty({ ...event }, "toJSON", { value: countersInJson })
    default:
      return event
  }
}

const moneyOf = ({ amount, currency }: typeof Money.Type) => money(amount, currency)

function countersInJson(this: object): Record<string, unknown> {
  const fields = Object.entries(this).map(([name, value]) => [
    name,
    typeof value === "bigint" ? bigintInJson(value) : value
  ])
  return Object.fromEntries(fields)
}

/**
 * Decodes the events of a batch. Throws if it contains an event that this version of the package
 * does not know, as newer nodes may write: a consumer must not skip what it does not understand.
 */
export const decodeEvents = (version: number, json: string): ReadonlyArray<BoxOfficeEvent> => {
  if (version !== eventVersion) {
    throw new Error(`events of version ${version}, and this package knows ${eventVersion}`)
  }
  return decode(JSON.parse(json)).map(withJson)
}
