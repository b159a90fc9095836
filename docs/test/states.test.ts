import {
  type BoxOfficeEvent,
  defaultPolicies,
  type QueueId,
  ReservationStatus,
  TokenState
} from "@boxoffice/core"
import { evolve, Rows } from "@boxoffice/core/store"
import {
  decideAdmissions,
  decideClosing,
  decideExpiries,
  decideExpiry,
  decideGate,
  decideHold,
  decideJoin,
  decideLeave,
  decideMode,
  decidePay,
  decideRefund,
  decideRelease,
  performanceRow,
  queueRow,
  reservationRow,
  seatsOf,
  testId,
  testStart,
  tokenRow,
  walletRow
} from "@boxoffice/core/testing"
import { Result } from "effect"
import { expect, test } from "vitest"
import { codeBlocks } from "./markdown.ts"

const drawn = codeBlocks("docs/concepts.md")
  .filter(({ text }) => text.startsWith("stateDiagram"))
  .map(({ text }) => text.match(/\S+ --> \S+: \S+$/gm) ?? [])
const later = testStart + 1_000_000

/** What each decider can make of a row, as the arrows of a diagram. */
const arrows = <State>(
  states: ReadonlyArray<State>,
  rowsIn: (state: State | undefined, now: number) => Rows,
  stateIn: (rows: Rows) => State | undefined,
  decide: (rows: Rows) => ReadonlyArray<() => Result.Result<unknown, unknown>>
): ReadonlyArray<string> => {
  const found = new Set<string>()
  for (const state of [undefined, ...states]) {
    for (const now of [testStart, later]) {
      for (let i = 0; i < decide(rowsIn(state, now)).length; i++) {
        const rows = rowsIn(state, now)
        const decision = decide(rows)[i]!()
        if (Result.isFailure(decision)) continue
        for (const event of [decision.success].flat() as Array<BoxOfficeEvent | undefined>) {
          if (event === undefined) continue
          evolve(rows, event)
          found.add(`${state ?? "[*]"} --> ${stateIn(rows)}: ${event._tag}`)
        }
      }
    }
  }
  return Array.from(found).sort()
}

test("a reservation goes the ways that are drawn, and no other", () => {
  const { reservationId, performanceId, userId, seats } = reservationRow()
  const seatIds = seats.map(({ seatId }) => seatId)
  const possible = arrows(
    ReservationStatus.literals,
    (status, now) => {
      const reservation = reservationRow({ status: status ?? "released" })
      return new Rows({
        now,
        performances: [performanceRow()],
        wallets: [walletRow({ balance: 1_000_000n, version: 1 })],
        reservations: status === undefined ? [] : [reservation],
        seats: seatsOf(reservation)
      })
    },
    (rows) => rows.reservations.get(reservationId)?.status,
    (rows) => [
      () =>
        rows.reservations.get(reservationId)
          ? Result.succeed([])
          : decideHold(rows, { reservationId, userId, performanceId, seatIds }, defaultPolicies),
      () => decideRelease(rows, { reservationId, userId }),
      () => Result.succeed(decideExpiry(rows, reservationId)),
      () => decidePay(rows, { paymentId: testId(200), userId, reservationId }),
      () => decideRefund(rows, { refundId: testId(201), paymentId: testId(200) })
    ]
  )
  expect(drawn[0]!.toSorted()).toEqual(possible)
})

test("a token goes the ways that are drawn, and no other", () => {
  const { tokenId, queueId, userId } = tokenRow()
  const named = { tokenId, queueId, userId }
  const possible = arrows(
    TokenState.literals,
    (state, now) => {
      const token = tokenRow({ state: state ?? "left", expiresAt: testStart + 500_000 })
      return new Rows({
        now,
        queues: [queueRow({ waiting: state === "waiting" ? 1 : 0 })],
        tokens: state === undefined ? [] : [token]
      })
    },
    (rows) => rows.tokens.get(tokenId)?.state,
    (rows) => {
      const gate = () =>
        decideGate(named, {
          token: rows.tokens.get(tokenId),
          ahead: 0,
          requiredQueueId: undefined,
          now: rows.now
        })
      return [
        () => (rows.tokens.get(tokenId) ? Result.succeed([]) : decideJoin(rows, named)),
        () => Result.succeed(decideAdmissions(rows, queueId as QueueId, new Set([tokenId]))),
        gate,
        // A payment that the gate let through.
        () => Result.map(gate(), () => ({ _tag: "QueueTokenCompleted", ...named, at: rows.now })),
        () => Result.succeed(decideExpiries(rows, queueId)),
        // An operator closes the queue.
        () =>
          Result.map(decideMode(rows, queueId, "closed"), (changes) => {
            for (const change of changes) evolve(rows, change)
            return decideClosing(rows, queueId)
          }),
        () => decideLeave(rows, named)
      ]
    }
  )
  expect(drawn[1]!.toSorted()).toEqual(possible)
})
