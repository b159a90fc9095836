/**
 * Rows for tests with sensible defaults: a test gives only the fields that it is about.
 *
 * ```ts
 * const seat = seatRow({ seatId: "A1", status: "held", reservationId: testId(1), heldUntil: 0 })
 * ```
 */
import type { Brand } from "effect"
import type { PerformanceRow, Seat } from "../catalog/model.ts"
import type {
  CommandId,
  PerformanceId,
  QueueId,
  ReservationId,
  SeatId,
  ShowId,
  TokenId,
  TransferId,
  UserId
} from "../Ids.ts"
import { type Money, money } from "../Money.ts"
import { defaultPolicies } from "../policies/settings.ts"
import type { LaneRow, QueueRow, TokenRow } from "../queue/model.ts"
import type { ReservationRow, SeatRow } from "../reservation/model.ts"
import type { WalletRow } from "../wallet/model.ts"

/** The fields of a row that a test may give. Ids are plain strings. */
export type RowFields<Row> = { readonly [Name in keyof Row]?: Unbranded<Row[Name]> }
type Unbranded<T> = T extends Brand.Brand<string> ? string : T

/** The current instant of the defaults below, in milliseconds since 1970. */
export const testStart: number = Date.parse("2030-01-01T12:00:00Z")

/** An id as the engine makes them, always the same for a number. */
export const testId = (n: number): CommandId & TokenId & ReservationId & TransferId =>
  `00000000-0000-7000-8000-${n.toString(16).padStart(12, "0")}` as never

/** An amount in Korean won. */
export const won = (amount: bigint | number): Money => money(BigInt(amount), "KRW")

const maxBigint = 2n ** 63n - 1n
const emptyLane: LaneRow = { nextNumber: 1n, cursor: 0n, waiting: 0, headsLoadedTo: maxBigint }

/** An open, empty queue `main` with the default settings. All waiting tokens count as loaded. */
export const queueRow = (fields: RowFields<QueueRow> = {}): QueueRow => ({
  ...emptyLane,
  mode: "open",
  settings: defaultPolicies.queue,
  priority: emptyLane,
  laneCredit: 0,
  active: 0,
  admittedLastMinute: 0,
  departed: 0n,
  opening: null,
  drawSize: 0n,
  ...fields,
  queueId: (fields.queueId ?? "main") as QueueId
})

/**
 * Ada's token of the queue `main`: waiting, with number 1. An admitted one was admitted at
 * {@link testStart}, its user has shown up, and its whole session is left.
 */
export const tokenRow = (fields: RowFields<TokenRow> = {}): TokenRow => {
  const settings = fields.settings ?? defaultPolicies.queue
  const state = fields.state ?? "waiting"
  const admitted = state === "admitted" || state === "completed"
  const number = fields.number ?? 1n
  return {
    state,
    lane: "general",
    joinedAt: testStart,
    admittedAt: admitted ? testStart : null,
    claimed: admitted,
    expiresAt: admitted ? testStart + settings.sessionSeconds * 1_000 : null,
    endedAt: null,
    ...fields,
    settings,
    number,
    tokenId: (fields.tokenId ?? testId(Number(number))) as TokenId,
    queueId: (fields.queueId ?? "main") as QueueId,
    userId: (fields.userId ?? "ada") as UserId
  }
}

/** The performance `gala-1` of the show `gala`, a month after {@link testStart}, on sale now. */
export const performanceRow = (fields: RowFields<PerformanceRow> = {}): PerformanceRow => ({
  startsAt: Date.parse("2030-02-01T10:00:00Z"),
  salesOpenAt: null,
  salesCloseAt: null,
  ...fields,
  performanceId: (fields.performanceId ?? "gala-1") as PerformanceId,
  showId: (fields.showId ?? "gala") as ShowId,
  queueId: (fields.queueId ?? "main") as QueueId
})

/** The seat `A1` of `gala-1`: available, at 110,000 won. */
export const seatRow = (fields: RowFields<SeatRow> = {}): SeatRow => ({
  section: "A",
  row: "1",
  number: "1",
  price: won(110_000),
  status: "available",
  heldUntil: null,
  ...fields,
  performanceId: (fields.performanceId ?? "gala-1") as PerformanceId,
  seatId: (fields.seatId ?? "A1") as SeatId,
  reservationId: (fields.reservationId ?? null) as ReservationId | null
})

/** Ada's wallet: empty, in won, never used. */
export const walletRow = (fields: RowFields<WalletRow> = {}): WalletRow => ({
  currency: "KRW",
  balance: 0n,
  version: 0,
  ...fields,
  userId: (fields.userId ?? "ada") as UserId
})

/**
 * Ada's hold of the seat `A1`, made at {@link testStart} for five minutes. A confirmed one was paid
 * at once. {@link seatsOf} gives its seats.
 */
export const reservationRow = (fields: RowFields<ReservationRow> = {}): ReservationRow => {
  const seats = fields.seats ?? [toSeat(seatRow())]
  const status = fields.status ?? "held"
  const heldAt = fields.heldAt ?? testStart
  const paid = status === "confirmed" || status === "cancelled"
  return {
    amount: {
      amount: seats.reduce((sum, seat) => sum + seat.price.amount, 0n),
      currency: seats[0]!.price.currency
    },
    holdExpiresAt: heldAt + defaultPolicies.holdSeconds * 1_000,
    confirmedAt: paid ? heldAt : null,
    endedAt: null,
    ...fields,
    seats,
    status,
    heldAt,
    reservationId: (fields.reservationId ?? testId(100)) as ReservationId,
    performanceId: (fields.performanceId ?? "gala-1") as PerformanceId,
    userId: (fields.userId ?? "ada") as UserId,
    paymentId: (fields.paymentId ?? (paid ? testId(200) : null)) as TransferId | null
  }
}

/** The seats of a reservation as stored while the reservation has them. */
export const seatsOf = (reservation: ReservationRow): ReadonlyArray<SeatRow> =>
  reservation.seats.map((seat) => {
    const { performanceId, reservationId, holdExpiresAt } = reservation
    if (reservation.status === "held") {
      const heldUntil = holdExpiresAt
      return seatRow({ ...seat, performanceId, reservationId, status: "held", heldUntil })
    }
    if (reservation.status === "confirmed") {
      return seatRow({ ...seat, performanceId, reservationId, status: "sold" })
    }
    return seatRow({ ...seat, performanceId })
  })

/** A seat as part of a reservation. */
export const toSeat = ({ seatId, section, row, number, price }: SeatRow): Seat => ({
  seatId,
  section,
  row,
  number,
  price
})
