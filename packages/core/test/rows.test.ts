import { describe, expect, it, test } from "vitest"
import type { BoxOfficeEvent } from "../src/Events.ts"
import { evolve } from "../src/engine/evolve.ts"
import { holdingKey, type LoadedRows, Rows, seatKey } from "../src/engine/Rows.ts"
import type { PerformanceId, QueueId, SeatId, ShowId, UserId } from "../src/Ids.ts"
import {
  performanceRow,
  queueRow,
  reservationRow,
  seatRow,
  seatsOf,
  testId,
  testStart,
  tokenRow,
  toSeat,
  walletRow,
  won
} from "../src/testing.ts"

const now = testStart
const main = "main" as QueueId
const gala = "gala-1" as PerformanceId
const ada = "ada" as UserId
const A1 = "A1" as SeatId

const evolved = (loaded: Omit<LoadedRows, "now">, ...events: ReadonlyArray<BoxOfficeEvent>) => {
  const rows = new Rows({ now, ...loaded })
  for (const event of events) evolve(rows, event)
  return rows
}

const nothing = {
  at: now,
  queues: [],
  newQueues: [],
  admissions: [],
  departures: [],
  exits: [],
  codes: [],
  newCodes: [],
  newTokens: [],
  tokens: [],
  wallets: [],
  newReservations: [],
  reservations: [],
  seats: [],
  newShows: [],
  newPerformances: [],
  newSeats: [],
  transfers: [],
  outcomes: [],
  events: []
}

const token = (n: number, userId = ada) => ({
  tokenId: testId(n),
  queueId: main,
  userId,
  at: now
})
const reservation = (n = 100) => ({
  reservationId: testId(n),
  performanceId: gala,
  userId: ada,
  at: now
})

const issued = (n: number): BoxOfficeEvent => ({
  _tag: "QueueTokenIssued",
  ...token(n),
  number: BigInt(n)
})
const admitted = (n: number): BoxOfficeEvent => ({
  _tag: "QueueTokenAdmitted",
  ...token(n),
  claimed: false,
  expiresAt: now + 120_000
})
const extended = (n: number): BoxOfficeEvent => ({
  _tag: "QueueTokenExtended",
  ...token(n),
  expiresAt: now + 600_000
})
const completed = (n: number): BoxOfficeEvent => ({ _tag: "QueueTokenCompleted", ...token(n) })
const left = (n: number): BoxOfficeEvent => ({ _tag: "QueueTokenLeft", ...token(n) })
const lapsed = (n: number): BoxOfficeEvent => ({ _tag: "QueueTokenLapsed", ...token(n) })

const held = (n = 100): BoxOfficeEvent => ({
  _tag: "SeatsHeld",
  ...reservation(n),
  seats: [toSeat(seatRow())],
  amount: won(110_000),
  holdExpiresAt: now + 300_000
})
const released = (n = 100): BoxOfficeEvent => ({
  _tag: "HoldReleased",
  ...reservation(n),
  seatIds: [A1]
})
const charged = (n: number, amount: number): BoxOfficeEvent => ({
  _tag: "WalletCharged",
  transferId: testId(n),
  userId: ada,
  amount: won(amount),
  at: now
})
const money = { showId: "gala" as ShowId, seatIds: [A1], amount: won(110_000) }
const paid: BoxOfficeEvent = {
  _tag: "ReservationPaid",
  ...reservation(),
  ...money,
  paymentId: testId(200)
}
const refunded: BoxOfficeEvent = {
  _tag: "PaymentRefunded",
  ...reservation(),
  ...money,
  paymentId: testId(200),
  refundId: testId(300)
}

test("two names make one key only together", () => {
  const of = (performance: string, seat: string) => seatKey(performance as never, seat as never)
  expect(of("a/b", "c")).not.toBe(of("a", "b/c"))
  const user = (performance: string, user: string) =>
    holdingKey(performance as never, user as never)
  expect(user("a/b", "c")).not.toBe(user("a", "b/c"))
})

describe("what a batch saves", () => {
  it("is nothing where nothing happened", () => {
    const rows = evolved({
      queues: [queueRow()],
      tokens: [tokenRow()],
      wallets: [walletRow()],
      performances: [performanceRow()],
      seats: [seatRow()],
      reservations: [reservationRow()]
    })
    expect(rows.changes()).toEqual(nothing)
  })

  it("is a new queue with its seed, and codes, which their events do not tell", () => {
    const rows = new Rows({ now })
    const { settings } = queueRow()
    const opening = { opensAt: now, seed: "5eed", openedAt: null }
    rows.addQueue(main, settings, opening)
    rows.addCodes([{ queueId: main, codeHash: "c0de", usesLeft: 2 }])
    expect(rows.changes()).toMatchObject({
      queues: [],
      newQueues: [{ queueId: main, mode: "open", settings, opening, waiting: 0, nextNumber: 1n }],
      codes: [],
      newCodes: [{ queueId: main, codeHash: "c0de", usesLeft: 2 }],
      events: []
    })
  })

  it("is every event, in the order in which they happened", () => {
    const events = [charged(1, 1), held(), released(), charged(2, 2)]
    expect(evolved({ seats: [seatRow()] }, ...events).changes().events).toEqual(events)
  })

  it("is a row that was added as it is at the end, and only as added", () => {
    const changes = evolved(
      { queues: [queueRow()] },
      issued(1),
      admitted(1),
      extended(1),
      completed(1)
    ).changes()
    expect(changes.tokens).toEqual([])
    expect(changes.newTokens).toEqual([
      tokenRow({
        state: "completed",
        claimed: true,
        admittedAt: now,
        expiresAt: now + 600_000,
        endedAt: now
      })
    ])
    expect(changes.queues).toEqual([
      queueRow({ nextNumber: 2n, cursor: 1n, admittedLastMinute: 1 })
    ])
  })

  it("is a row that was loaded as it is at the end, once", () => {
    const changes = evolved(
      { tokens: [tokenRow({ state: "admitted", claimed: false })] },
      extended(1),
      left(1)
    ).changes()
    expect(changes.newTokens).toEqual([])
    expect(changes.tokens).toMatchObject([{ state: "left", claimed: true, endedAt: now }])
  })

  it("hold, release, hold of one seat: two reservations added, one seat changed", () => {
    const changes = evolved({ seats: [seatRow()] }, held(100), released(100), held(101)).changes()
    expect(changes.reservations).toEqual([])
    expect(changes.newReservations.map((row) => [row.reservationId, row.status])).toEqual([
      [testId(100), "released"],
      [testId(101), "held"]
    ])
    expect(changes.seats).toEqual([
      seatRow({ status: "held", reservationId: testId(101), heldUntil: now + 300_000 })
    ])
  })

  it("hold and pay: the reservation is added as confirmed", () => {
    const changes = evolved(
      { seats: [seatRow()], wallets: [walletRow({ balance: 200_000n, version: 4 })] },
      held(),
      paid
    ).changes()
    expect(changes.reservations).toEqual([])
    expect(changes.newReservations).toEqual([
      reservationRow({ status: "confirmed", paymentId: testId(200) })
    ])
    expect(changes.seats).toEqual([seatRow({ status: "sold", reservationId: testId(100) })])
  })

  it("pay and refund: every transfer, each with the wallet right after it", () => {
    const before = reservationRow()
    const changes = evolved(
      { reservations: [before], seats: seatsOf(before) },
      charged(1, 110_000),
      paid,
      refunded
    ).changes()
    expect(
      changes.transfers.map(({ kind, amount, version, balance }) => [
        kind,
        amount,
        version,
        balance
      ])
    ).toEqual([
      ["charge", 110_000n, 1, 110_000n],
      ["payment", -110_000n, 2, 0n],
      ["refund", 110_000n, 3, 110_000n]
    ])
    // The wallet itself once, as it is at the end.
    expect(changes.wallets).toEqual([walletRow({ balance: 110_000n, version: 3 })])
    expect(changes.newReservations).toEqual([])
    expect(changes.reservations).toMatchObject([{ status: "cancelled", paymentId: testId(200) }])
    expect(changes.seats).toEqual([seatRow()])
  })

  it("is an answer that was recorded, but not one that was loaded", () => {
    const outcome = (n: number) => ({
      commandId: testId(n),
      userId: ada,
      operation: "charge",
      fingerprint: "f",
      outcome: "{}"
    })
    const rows = evolved({ outcomes: [outcome(1)] })
    rows.addOutcome(outcome(2))
    expect(rows.outcomes.get(testId(1))).toEqual(outcome(1))
    expect(rows.outcomes.get(testId(2))).toEqual(outcome(2))
    expect(rows.changes().outcomes).toEqual([outcome(2)])
  })
})

describe("counts within a batch", () => {
  const queue = queueRow({ nextNumber: 4n, waiting: 2, active: 1 })
  const tokens = [
    tokenRow({ number: 1n, state: "admitted", userId: "bob" }),
    tokenRow({ number: 2n }),
    tokenRow({ number: 3n, userId: "cyd" })
  ]
  const ahead = [
    [testId(2), 0],
    [testId(3), 1]
  ] as const
  const counts = (...events: ReadonlyArray<BoxOfficeEvent>) => {
    const row = evolved({ queues: [queue], tokens, ahead }, ...events).queues.get(main)!
    return [row.waiting, row.active, row.admittedLastMinute]
  }

  it("of a queue follow its tokens", () => {
    expect(counts()).toEqual([2, 1, 0])
    expect(counts(issued(4))).toEqual([3, 1, 0])
    expect(counts(admitted(2))).toEqual([1, 2, 1])
    expect(counts(left(2))).toEqual([1, 1, 0])
    expect(counts(left(1))).toEqual([2, 0, 0])
    expect(counts(completed(1))).toEqual([2, 0, 0])
    expect(counts(extended(1))).toEqual([2, 1, 0])
    expect(counts(lapsed(1))).toEqual([2, 0, 0])
    // The admission counts within its minute, even of one who has left since.
    expect(counts(admitted(2), left(2))).toEqual([1, 1, 1])
  })

  it("of tokens ahead fall when one in front leaves the lane, and only then", () => {
    const third = (...events: ReadonlyArray<BoxOfficeEvent>) => {
      const rows = evolved({ queues: [queue], tokens, ahead }, ...events)
      return rows.ahead(rows.tokens.get(testId(3))!)
    }
    expect(third()).toBe(1)
    expect(third(left(1))).toBe(1)
    expect(third(left(2))).toBe(0)
    expect(third(admitted(2))).toBe(0)
    expect(third(admitted(2), left(2))).toBe(0)
    expect(third(issued(4), left(4))).toBe(1)
  })

  it("a token is moved where its queue was not loaded", () => {
    const changes = evolved({ tokens }, completed(1)).changes()
    expect(changes.queues).toEqual([])
    // The next batch that locks the queue needs the count.
    expect(changes.exits).toEqual([{ queueId: main, count: 1 }])
    expect(changes.tokens).toMatchObject([{ state: "completed" }])
  })

  it("of a user's seats follow holds, releases and refunds", () => {
    const seats = [seatRow()]
    expect(evolved({ seats }, held()).seatsOf(gala, ada)).toBe(1)
    expect(evolved({ seats }, held(), paid).seatsOf(gala, ada)).toBe(1)
    expect(evolved({ seats }, held(), released()).seatsOf(gala, ada)).toBe(0)
    expect(evolved({ seats }, held(), paid, refunded).seatsOf(gala, ada)).toBe(0)
    expect(evolved({ seats }, held()).seatsOf(gala, "grace" as UserId)).toBe(0)
    expect(evolved({ seats }, held()).seatsOf("gala-2" as PerformanceId, ada)).toBe(0)
  })
})
