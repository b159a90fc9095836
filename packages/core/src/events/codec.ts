/**
 * Events as text, and back again, exactly. A `bigint` is a string in it, since JSON numbers are
 * not exact everywhere; all else is as it is.
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
import { QueueSettings } from "../Policies.ts"
import { QueueLane, QueueMode } from "../queue/model.ts"

/**
 * How events are written today. A field that is added needs no new version, as long as readers can
 * do without it: they leave out what they do not know. What readers must know of gets the next
 * number, and a way to read the old one.
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

/** An event as its JSON has it. */
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

// The same as the schema's own encoding, as a test shows, without its cost on the way to a commit.
// `this[key]` is asked: JSON.stringify has asked a `toJSON` before it calls, whoever defined it.
function exactly(this: Record<string, unknown>, key: string, value: unknown): unknown {
  const original = this[key]
  if (typeof original === "bigint") return original.toString()
  return original === value ? value : { ...(original as object) }
}

const decode = Schema.decodeUnknownSync(Schema.Array(EventJson))

/** @internal An event that `JSON.stringify` writes: its money as in results, its counters as numbers. */
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
 * The events of a batch. Throws where there is one that this code does not know, as there can be
 * while newer nodes run beside older ones: what is not understood must not be passed over.
 */
export const decodeEvents = (version: number, json: string): ReadonlyArray<BoxOfficeEvent> => {
  if (version !== eventVersion) {
    throw new Error(`events of version ${version}, and this package knows ${eventVersion}`)
  }
  return decode(JSON.parse(json)).map(withJson)
}
