/** Concurrent commands of all kinds, and the invariants that must hold after them. */
import assert from "node:assert/strict"
import { Effect } from "effect"
import type { UserId } from "../../Ids.ts"
import type { ConformanceTest } from "./harness.ts"
import { inWorld, times } from "./world.ts"

const users = 40
const rounds = 4
const seats = 30

export const stormTests: ReadonlyArray<ConformanceTest> = [
  inWorld(
    "a storm of holds, releases, charges, pays and refunds leaves every account right",
    { seats, policies: { paymentCompletesToken: false } },
    ({ office, join, hold, charge, store, performanceId }) =>
      Effect.gen(function* () {
        const buyer = (i: number) =>
          Effect.gen(function* () {
            const caller = yield* join(String(i))
            for (let round = 0; round < rounds; round++) {
              yield* charge(caller, 700n)
              const first = 1 + ((i * 7 + round * 11) % seats)
              const wanted = [`S${first}`, `S${1 + (first % seats)}`]
              const held = yield* Effect.result(
                hold(caller, ...(i % 2 ? wanted : wanted.reverse()))
              )
              if (held._tag === "Failure") continue
              const { reservationId } = held.success
              if ((i + round) % 3 === 0) {
                yield* office.reservations.release({ userId: caller.userId, reservationId })
                continue
              }
              const paid = yield* Effect.result(office.payments.pay({ ...caller, reservationId }))
              if (paid._tag === "Success" && i % 5 === 0) {
                yield* office.payments.refund({ paymentId: paid.success.paymentId })
              }
            }
            return caller.userId as UserId
          })
        const names = yield* Effect.all(times(users, buyer), { concurrency: "unbounded" })

        const confirmed = new Map<string, string>()
        for (const userId of names) {
          const wallet = (yield* store.wallet(userId))!
          const transfers = yield* store.transfers(userId, { after: undefined, limit: 1_000 })
          assert.equal(wallet.version, transfers.length)
          assert.equal(
            wallet.balance,
            transfers.reduce((sum, row) => sum + row.amount, 0n)
          )
          assert.ok(wallet.balance >= 0n)
          const { reservations } = yield* store.reservations(userId, {
            after: undefined,
            limit: 1_000
          })
          for (const row of reservations) {
            const paid = transfers.filter((t) => t.reservationId === row.reservationId)
            const expected = { confirmed: 1, cancelled: 2 }[row.status as string] ?? 0
            assert.equal(paid.length, expected, `transfers of a ${row.status} reservation`)
            if (row.status !== "confirmed") continue
            for (const { seatId } of row.seats) {
              assert.ok(!confirmed.has(seatId), `${seatId} was sold twice`)
              confirmed.set(seatId, row.reservationId)
            }
          }
        }
        const map = (yield* store.seats(performanceId))!
        for (const seat of map.seats) {
          const owner = confirmed.get(seat.seatId)
          assert.equal(seat.status === "sold", owner !== undefined)
          if (owner !== undefined) assert.equal(seat.reservationId, owner)
        }
      })
  )
]
