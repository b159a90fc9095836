import type { BoxOfficeEvent } from "../Events.ts"
import type { PerformanceId, QueueId, SeatId, ShowId, UserId } from "../Ids.ts"
import { defaultPolicies } from "../policies/settings.ts"
import { seatRow, testId, testStart, toSeat, won } from "./builders.ts"

const userId = "ada" as UserId
const at = testStart
const token = { tokenId: testId(1), queueId: "main" as QueueId, userId, at }
const reservation = {
  reservationId: testId(2),
  performanceId: "gala-1" as PerformanceId,
  userId,
  at
}
const seat = toSeat(seatRow({ seatId: "A1" }))
const seatIds: ReadonlyArray<SeatId> = [seat.seatId]
const paid = {
  ...reservation,
  paymentId: testId(3),
  showId: "gala" as ShowId,
  seatIds,
  amount: seat.price
}

/** One event of each kind, for tests of consumers. */
export const exampleEvents: ReadonlyArray<BoxOfficeEvent> = [
  { _tag: "QueueTokenIssued", ...token, lane: "priority", number: 1n, codeHash: "c0de" },
  { _tag: "QueueTokenAdmitted", ...token, claimed: true, expiresAt: at + 600_000 },
  { _tag: "QueueTokenExtended", ...token, expiresAt: at + 660_000 },
  { _tag: "QueueTokenCompleted", ...token },
  { _tag: "QueueTokenLeft", ...token, away: true },
  { _tag: "QueueTokenLapsed", ...token, unclaimed: true, closed: true },
  {
    _tag: "QueueCreated",
    queueId: token.queueId,
    at,
    settings: defaultPolicies.queue,
    opening: { opensAt: at + 60_000, commitment: "c0de" }
  },
  { _tag: "QueueCodesAdded", queueId: token.queueId, at, codes: 40, uses: 2 },
  { _tag: "QueueOpened", queueId: token.queueId, at, seed: "5eed", drawn: 12n },
  {
    _tag: "QueueRescheduled",
    queueId: token.queueId,
    at,
    opensAt: at + 3_600_000,
    before: at + 60_000
  },
  { _tag: "QueueModeChanged", queueId: token.queueId, at, mode: "paused", before: "open" },
  {
    _tag: "QueueConfigured",
    queueId: token.queueId,
    at,
    settings: { ...defaultPolicies.queue, maxActive: 7 },
    before: defaultPolicies.queue
  },
  {
    _tag: "SeatsHeld",
    ...reservation,
    seats: [seat],
    amount: seat.price,
    holdExpiresAt: at + 300_000
  },
  { _tag: "HoldReleased", ...reservation, seatIds },
  { _tag: "HoldLapsed", ...reservation, holdExpiresAt: at + 300_000, seatIds },
  { _tag: "WalletCharged", transferId: testId(4), userId, amount: won(110_000), at },
  { _tag: "ReservationPaid", ...paid },
  { _tag: "PaymentRefunded", ...paid, refundId: testId(5) }
]
