import { describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { TestClock } from "effect/testing"
import { expect } from "vitest"
import { commandIdentity, runOnce } from "../src/engine/Idempotency.ts"
import { Rows } from "../src/engine/Rows.ts"
import type { CommandId, SeatId, UserId } from "../src/Ids.ts"
import {
  CurrencyMismatch,
  HoldExpired,
  IdempotencyConflict,
  InsufficientBalance,
  LimitExceeded,
  PaymentNotFound,
  PerformanceNotFound,
  QueueClosed,
  QueueNotFound,
  QueueTokenExpired,
  QueueTokenInvalid,
  QueueTokenWaiting,
  QueueTokenWrongQueue,
  RequestInvalid,
  ReservationNotFound,
  ReservationNotPayable,
  SeatNotFound,
  SeatUnavailable
} from "../src/index.ts"
import { commandIdOf, newCommandId } from "../src/store.ts"
import { testStart, won } from "../src/testing.ts"
import { engine, openOffice } from "./support.ts"

const ada = "ada" as UserId
const now = testStart

/** Settles a command for the first time, and again from what that has saved. */
const settledTwice = <A, E>(first: Result.Result<A, E>) => {
  const command = commandIdentity("hold", ada, "key", ["body"])
  const rows = new Rows({ now })
  const before = runOnce(rows, command, () => first)
  const { outcomes } = rows.changes()
  const after = runOnce(new Rows({ now, outcomes }), command, () => {
    throw new Error("decided again")
  })
  return { before, after, outcomes }
}

describe("what is recorded comes back exactly", () => {
  it("a success", () => {
    const answer = {
      id: "r",
      big: 2n ** 60n + 1n,
      negative: -(2n ** 63n),
      zero: 0n,
      at: new Date(now + 0.5),
      nothing: null,
      flag: false,
      text: '"\u{1f39f}\n',
      list: [{ amount: { amount: 3n, currency: "KRW" } }, new Date(0), []]
    }
    const { before, after } = settledTwice(Result.succeed(answer))
    expect(before).toEqual({ result: Result.succeed(answer), replayed: false })
    expect(after.replayed).toBe(true)
    expect(Result.getOrThrow(after.result)).toStrictEqual(answer)
  })

  const refusals = [
    new PerformanceNotFound(),
    new SeatNotFound({ seatIds: ["A1", "no such seat"] }),
    new SeatUnavailable({ conflicts: [{ seatId: "A1" as SeatId, reason: "held" }] }),
    new LimitExceeded({ name: "walletCeiling", limit: 2 ** 53 - 1 }),
    new ReservationNotFound(),
    new ReservationNotPayable({ status: "confirmed" }),
    new HoldExpired({ expiredAt: new Date(now) }),
    new InsufficientBalance({ required: won(2n ** 60n + 1n), available: won(0) }),
    new CurrencyMismatch({ expected: "KRW", actual: "USD" }),
    new PaymentNotFound()
  ]

  for (const refusal of refusals) {
    it(`the refusal ${refusal._tag}`, () => {
      const { after } = settledTwice(Result.fail(refusal))
      const again = Result.getOrThrow(Result.flip(after.result)) as typeof refusal
      expect(again).toBeInstanceOf(refusal.constructor)
      expect({ ...again }).toStrictEqual({ ...refusal })
      expect([again._tag, again.code, again.message]).toEqual([
        refusal._tag,
        refusal.code,
        refusal.message
      ])
    })
  }

  const passing = [
    new QueueTokenInvalid(),
    new QueueTokenWrongQueue({ requiredQueueId: "vip" as never }),
    new QueueTokenExpired({ state: "expired" })
  ]

  for (const refusal of passing) {
    it(`but not the refusal ${refusal._tag}: it may be let in the next time`, () => {
      const command = commandIdentity("hold", ada, "key", ["body"])
      const rows = new Rows({ now })
      expect(runOnce(rows, command, () => Result.fail(refusal)).result).toEqual(
        Result.fail(refusal)
      )
      expect(rows.changes().outcomes).toEqual([])
    })
  }
})

describe("a command", () => {
  it("without a key is new each time, and nothing of it is recorded", () => {
    const [one, two] = [
      commandIdentity("hold", ada, undefined, []),
      commandIdentity("hold", ada, undefined, [])
    ]
    expect(one.commandId).not.toBe(two.commandId)
    const rows = new Rows({ now })
    runOnce(rows, one, () => Result.succeed(1))
    expect(rows.changes().outcomes).toEqual([])
  })

  it("with a key has one id, which depends on the user, the operation and the key", () => {
    const id = (user: string, operation: string, key: string) => commandIdOf(user, operation, key)
    expect(id("ada", "pay", "k")).toBe(id("ada", "pay", "k"))
    const different = [
      id("ada", "pay", "k"),
      id("grace", "pay", "k"),
      id("ada", "hold", "k"),
      id("ada", "pay", "K"),
      // What is glued together must not be mistaken for something else.
      id("adap", "ay", "k"),
      id('ada","pay', "", "k")
    ]
    expect(new Set(different).size).toBe(different.length)
  })

  it("has an id of a standard form", () => {
    expect(newCommandId()).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-/)
    for (const key of ["a", "b", "c", "d", "e", "f"]) {
      expect(commandIdOf("ada", "pay", key)).toMatch(
        /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
      )
    }
  })

  it("with a key, twice within a batch, is decided once", () => {
    const rows = new Rows({ now })
    const command = commandIdentity("hold", ada, "key", ["body"])
    const other = commandIdentity("hold", ada, "key", ["another body"])
    let decided = 0
    const decide = () => Result.succeed(++decided)
    expect(runOnce(rows, command, decide)).toEqual({ result: Result.succeed(1), replayed: false })
    expect(runOnce(rows, command, decide)).toEqual({ result: Result.succeed(1), replayed: true })
    expect(runOnce(rows, other, decide)).toEqual({
      result: Result.fail(new IdempotencyConflict()),
      replayed: false
    })
    expect(rows.changes().outcomes).toHaveLength(1)
  })

  it("with another key is another command", () => {
    const rows = new Rows({ now })
    const id = (key: string) => commandIdentity("hold", ada, key, ["body"]).commandId
    expect(id("one")).not.toBe(id("two"))
    expect(rows.outcomes.get(id("one") as CommandId)).toBeUndefined()
  })
})

describe("through the services", () => {
  /** A key, and a count of the answers that were replayed. */
  const keyed = (idempotencyKey: string) => {
    const command = { idempotencyKey, replays: 0, onReplay: () => void command.replays++ }
    return command
  }

  it.effect("a charge takes effect once, and answers the same ever after", () =>
    Effect.gen(function* () {
      const office = yield* openOffice()
      const ada = yield* office.caller("ada")
      const key = keyed("charge-1")
      const amount = won(2n ** 60n + 1n)
      const first = yield* office.wallet.charge({ ...ada, amount, ...key })
      expect(key.replays).toBe(0)
      yield* office.wallet.charge({ ...ada, amount: won(5) })
      yield* TestClock.adjust("1 day")
      // By now the queue token has expired: what was let in once needs no letting in again.
      expect(yield* office.wallet.charge({ ...ada, amount, ...key })).toStrictEqual(first)
      expect(key.replays).toBe(1)
      expect(first.balance).toEqual(amount)
      expect(yield* office.balanceOf("ada")).toBe(amount.amount + 5n)
    }).pipe(Effect.provide(engine({ policies: { walletCeiling: 2n ** 62n } })))
  )

  it.effect("a hold and its payment answer the same, whatever has become of them since", () =>
    Effect.gen(function* () {
      const office = yield* openOffice()
      const ada = yield* office.caller("ada")
      const [hold, pay, refund] = [keyed("1"), keyed("1"), keyed("1")]
      const seats = { ...ada, performanceId: "gala-1", seatIds: ["A1", "A2"] }
      const held = yield* office.reservations.hold({ ...seats, ...hold })
      yield* office.wallet.charge({ ...ada, amount: won(300_000) })
      const payment = { ...ada, reservationId: held.reservationId, ...pay }
      const paid = yield* office.payments.pay(payment)
      // The payment has completed the queue token.
      expect(yield* office.payments.pay(payment)).toStrictEqual(paid)
      const { paymentId } = paid
      const refunded = yield* office.payments.refund({ paymentId, ...refund })
      expect(yield* office.payments.refund({ paymentId, ...refund })).toStrictEqual(refunded)
      expect(yield* office.reservations.hold({ ...seats, ...hold })).toStrictEqual(held)
      // The same seats in another order are the same request.
      const reversed = { ...seats, seatIds: ["A2", "A1"], ...hold }
      expect(yield* office.reservations.hold(reversed)).toStrictEqual(held)
      expect([hold.replays, pay.replays, refund.replays]).toEqual([2, 1, 1])
      expect(yield* office.balanceOf("ada")).toBe(300_000n)
      expect((yield* office.reservations.list({ userId: "ada" })).items).toHaveLength(1)
    }).pipe(Effect.provide(engine()))
  )

  it.effect("joining answers the same, and says that the token was made", () =>
    Effect.gen(function* () {
      const office = yield* openOffice()
      const key = keyed("join")
      const join = { queueId: "main", userId: "ada", ...key }
      const first = yield* office.queue.join(join)
      expect(first.created).toBe(true)
      expect(yield* office.queue.join(join)).toStrictEqual(first)
      expect(key.replays).toBe(1)
      const { created, token } = yield* office.queue.join({ queueId: "main", userId: "ada" })
      expect({ created, token }).toEqual({ created: false, token: first.token })
    }).pipe(Effect.provide(engine()))
  )

  it.effect("a refusal is given again, even where it would go through by now", () =>
    Effect.gen(function* () {
      const office = yield* openOffice()
      const ada = yield* office.caller("ada")
      const { reservationId } = yield* office.reservations.hold({
        ...ada,
        performanceId: "gala-1",
        seatIds: ["A1"]
      })
      const key = keyed("pay-1")
      const pay = { ...ada, reservationId, ...key }
      const refusal = yield* Effect.flip(office.payments.pay(pay))
      expect(refusal).toEqual(
        new InsufficientBalance({ required: won(110_000), available: won(0) })
      )
      yield* office.wallet.charge({ ...ada, amount: won(110_000) })
      const again = yield* Effect.flip(office.payments.pay(pay))
      expect(again).toBeInstanceOf(InsufficientBalance)
      expect(again).toStrictEqual(refusal)
      expect(key.replays).toBe(1)
      yield* office.payments.pay({ ...pay, idempotencyKey: "pay-2" })
    }).pipe(Effect.provide(engine()))
  )

  it.effect("a refusal at the gate is not recorded: the key works once let in", () =>
    Effect.gen(function* () {
      const office = yield* openOffice({ maxActive: 1 })
      const grace = yield* office.caller("grace")
      const ada = yield* office.caller("ada")
      const key = keyed("charge-1")
      const charge = { ...ada, amount: won(5), ...key }
      expect(yield* Effect.flip(office.wallet.charge(charge))).toBeInstanceOf(QueueTokenWaiting)
      yield* office.queue.leave(grace)
      expect((yield* office.queue.status(ada)).state).toBe("admitted")
      expect((yield* office.wallet.charge(charge)).balance).toEqual(won(5))
      expect(key.replays).toBe(0)
    }).pipe(Effect.provide(engine()))
  )

  it.effect("a closed or missing queue is not recorded: the key works once it is there", () =>
    Effect.gen(function* () {
      const office = yield* openOffice()
      const join = { userId: "ada", queueId: "vip", idempotencyKey: "join-1" }
      expect(yield* Effect.flip(office.queue.join(join))).toBeInstanceOf(QueueNotFound)
      yield* office.queue.create({ queueId: "vip" })
      yield* office.queue.setMode("vip", "paused")
      expect(yield* Effect.flip(office.queue.join(join))).toBeInstanceOf(QueueClosed)
      yield* office.queue.setMode("vip", "open")
      expect((yield* office.queue.join(join)).created).toBe(true)
    }).pipe(Effect.provide(engine()))
  )

  it.effect("a key with another request is refused, and nothing is done", () =>
    Effect.gen(function* () {
      const office = yield* openOffice()
      yield* office.queue.create({ queueId: "vip" })
      const ada = yield* office.caller("ada")
      const key = keyed("key")
      const hold = (performanceId: string, ...seatIds: Array<string>) =>
        office.reservations.hold({ ...ada, performanceId, seatIds, ...key })
      const { reservationId } = yield* hold("gala-1", "A1")
      yield* office.wallet.charge({ ...ada, amount: won(110_000), ...key })
      yield* office.queue.join({ userId: "ada", queueId: "main", ...key })
      const { paymentId } = yield* office.payments.pay({ ...ada, reservationId, ...key })
      yield* office.payments.refund({ paymentId, ...key })

      const other = "00000000-0000-7000-8000-000000000000"
      const conflicts = yield* Effect.all([
        Effect.flip(hold("gala-1", "A2")),
        Effect.flip(hold("gala-1", "A1", "A2")),
        Effect.flip(hold("gala-2", "A1")),
        Effect.flip(office.wallet.charge({ ...ada, amount: won(110_001), ...key })),
        Effect.flip(
          office.wallet.charge({ ...ada, amount: { amount: 110_000n, currency: "USD" }, ...key })
        ),
        Effect.flip(office.queue.join({ userId: "ada", queueId: "vip", ...key })),
        Effect.flip(office.payments.pay({ ...ada, reservationId: other, ...key })),
        Effect.flip(office.payments.refund({ paymentId: other, ...key }))
      ])
      for (const conflict of conflicts) expect(conflict).toBeInstanceOf(IdempotencyConflict)
      expect(key.replays).toBe(0)
      expect(yield* office.balanceOf("ada")).toBe(110_000n)
      expect((yield* office.reservations.list({ userId: "ada" })).items).toHaveLength(1)
      expect((yield* office.queue.get("vip")).active).toBe(0)
    }).pipe(Effect.provide(engine()))
  )

  it.effect("a key with another request is refused within one batch, too", () =>
    Effect.gen(function* () {
      const office = yield* openOffice()
      yield* office.queue.create({ queueId: "vip" })
      const join = (queueId: string) =>
        Effect.result(office.queue.join({ userId: "ada", queueId, idempotencyKey: "key" }))
      const [main, vip] = yield* Effect.all([join("main"), join("vip")], {
        concurrency: "unbounded"
      })
      expect(Result.getOrThrow(main)).toMatchObject({ queueId: "main", created: true })
      expect(vip).toEqual(Result.fail(new IdempotencyConflict()))
      expect(yield* office.queue.get("main")).toMatchObject({ active: 1 })
      expect(yield* office.queue.get("vip")).toMatchObject({ active: 0, waiting: 0 })
    }).pipe(Effect.provide(engine({ batches: { batchers: 1 } })))
  )

  it.effect("and where the first of the batch found its place taken already", () =>
    Effect.gen(function* () {
      const office = yield* openOffice()
      yield* office.queue.create({ queueId: "vip" })
      yield* office.caller("ada")
      const join = (queueId: string) =>
        Effect.result(office.queue.join({ userId: "ada", queueId, idempotencyKey: "key" }))
      const [main, vip] = yield* Effect.all([join("main"), join("vip")], {
        concurrency: "unbounded"
      })
      expect(Result.getOrThrow(main)).toMatchObject({ queueId: "main", created: false })
      expect(vip).toEqual(Result.fail(new IdempotencyConflict()))
      expect(yield* office.queue.get("vip")).toMatchObject({ active: 0, waiting: 0 })
    }).pipe(Effect.provide(engine({ batches: { batchers: 1 } })))
  )

  it.effect("a key is the user's own, and the operation's own", () =>
    Effect.gen(function* () {
      const office = yield* openOffice()
      const ada = yield* office.caller("ada")
      const grace = yield* office.caller("grace")
      const key = keyed("key")
      yield* office.wallet.charge({ ...ada, amount: won(1), ...key })
      yield* office.wallet.charge({ ...grace, amount: won(2), ...key })
      const hold = { ...ada, performanceId: "gala-1", seatIds: ["A1"], ...key }
      yield* office.reservations.hold(hold)
      expect(key.replays).toBe(0)
      expect(yield* office.balanceOf("ada")).toBe(1n)
      expect(yield* office.balanceOf("grace")).toBe(2n)
    }).pipe(Effect.provide(engine()))
  )

  it.effect("one key a hundred times at once has one effect and one answer", () =>
    Effect.gen(function* () {
      const office = yield* openOffice()
      const ada = yield* office.caller("ada")
      const key = keyed("charge-1")
      const charge = office.wallet.charge({ ...ada, amount: won(7), ...key })
      const answers = yield* Effect.all(
        Array.from({ length: 100 }, () => charge),
        { concurrency: "unbounded" }
      )
      for (const answer of answers) expect(answer).toStrictEqual(answers[0])
      expect(key.replays).toBe(99)
      expect(yield* office.balanceOf("ada")).toBe(7n)
    }).pipe(Effect.provide(engine()))
  )

  it.effect("without a key every command counts", () =>
    Effect.gen(function* () {
      const office = yield* openOffice()
      const ada = yield* office.caller("ada")
      yield* office.wallet.charge({ ...ada, amount: won(7) })
      yield* office.wallet.charge({ ...ada, amount: won(7) })
      expect(yield* office.balanceOf("ada")).toBe(14n)
    }).pipe(Effect.provide(engine()))
  )

  it.effect("a key is 1 to 255 visible ASCII characters", () =>
    Effect.gen(function* () {
      const office = yield* openOffice()
      const ada = yield* office.caller("ada")
      const charge = (idempotencyKey: string) =>
        office.wallet.charge({ ...ada, amount: won(1), idempotencyKey })
      for (const bad of ["", "x".repeat(256), "a b", "a\n", "é", "\u007f"]) {
        const error = yield* Effect.flip(charge(bad))
        expect(error).toBeInstanceOf(RequestInvalid)
        expect((error as RequestInvalid).errors[0]!.path).toBe("idempotencyKey")
      }
      for (const good of ["x".repeat(255), "!", "~", '"\\']) yield* charge(good)
      expect(yield* office.balanceOf("ada")).toBe(4n)
    }).pipe(Effect.provide(engine()))
  )
})
