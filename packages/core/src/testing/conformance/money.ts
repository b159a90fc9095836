/** Money: none is lost, no command pays twice, and the first outcome of a key is repeated. */
import assert from "node:assert/strict"
import { Effect } from "effect"
import type { ConformanceTest } from "./harness.ts"
import { inWorld, krw, newSeats, refused, tally, times } from "./world.ts"

export const moneyTests: ReadonlyArray<ConformanceTest> = [
  inWorld("a charge is in the balance and in the statement", {}, ({ office, join, charge }) =>
    Effect.gen(function* () {
      const ada = yield* join("ada")
      assert.deepEqual((yield* office.wallet.balance(ada)).balance, krw(0n))
      assert.equal(yield* charge(ada, 1_500n), 1_500n)
      assert.equal(yield* charge(ada, 500n), 2_000n)
      assert.deepEqual((yield* office.wallet.balance(ada)).balance, krw(2_000n))
      const { items } = yield* office.wallet.entries({ userId: ada.userId })
      assert.deepEqual(
        items.map((entry) => [entry.kind, entry.amount.amount, entry.balance.amount]),
        [
          ["charge", 500n, 2_000n],
          ["charge", 1_500n, 1_500n]
        ]
      )
    })
  ),
  inWorld(
    "1,000 charges to one wallet at once lose nothing",
    {},
    ({ office, join, charge, store }) =>
      Effect.gen(function* () {
        const ada = yield* join("ada")
        const { succeeded } = yield* tally(
          times(1_000, (i) => charge(ada, BigInt(i + 1)) as Effect.Effect<bigint, { _tag: string }>)
        )
        assert.equal(succeeded.length, 1_000)
        const { balance } = yield* office.wallet.balance(ada)
        assert.equal(balance.amount, 500_500n)
        const userId = ada.userId as never
        const wallet = yield* store.wallet(userId)
        assert.equal(wallet!.version, 1_000)
        const rows = yield* store.transfers(userId, { after: undefined, limit: 2_000 })
        let running = 0n
        for (const [i, row] of rows.toReversed().entries()) {
          running += row.amount
          assert.deepEqual([row.version, row.balance], [i + 1, running])
        }
      })
  ),
  inWorld("rows that a store reads can be written as JSON, money as numbers", {}, (world) =>
    Effect.gen(function* () {
      const { office, join, charge, hold, performanceId, showId } = world
      const ada = yield* join("ada")
      yield* charge(ada, 3_000n)
      const { reservationId } = yield* hold(ada, "S1", "S2")
      const read = yield* Effect.all([
        office.reservations.get({ ...ada, reservationId }),
        office.reservations.list(ada),
        office.catalog.availableDates({ ...ada, showId }),
        office.catalog.availableSeats({ ...ada, performanceId }),
        office.catalog.performances(showId),
        office.wallet.balance(ada),
        office.payments.pay({ ...ada, reservationId }),
        office.wallet.entries(ada)
      ])
      const amounts = JSON.stringify(read).match(/"amount":[^{][^,}]*/g) ?? []
      const expected = [1_000, 2_000, 3_000, -2_000].map((amount) => `"amount":${amount}`)
      assert.deepEqual(new Set(amounts), new Set(expected))
    })
  ),
  inWorld("the ceiling and the currency hold", { policies: { walletCeiling: 100n } }, (world) =>
    Effect.gen(function* () {
      const { office, join, charge } = world
      const ada = yield* join("ada")
      yield* charge(ada, 60n)
      const over = office.wallet.charge({ ...ada, amount: krw(41n) })
      assert.equal((yield* refused("LimitExceeded", over)).limit, 100)
      const euro = office.wallet.charge({ ...ada, amount: { amount: 1n, currency: "EUR" } })
      assert.equal((yield* refused("CurrencyMismatch", euro)).expected, "KRW")
      assert.equal(yield* charge(ada, 40n), 100n)
    })
  ),
  inWorld(
    "amounts past 2^53 come back exactly",
    { policies: { walletCeiling: 2n ** 62n } },
    ({ office, join, charge }) =>
      Effect.gen(function* () {
        const ada = yield* join("ada")
        const large = 2n ** 53n + 1n
        assert.equal(yield* charge(ada, large), large)
        assert.equal(yield* charge(ada, large), 2n * large)
        assert.equal((yield* office.wallet.balance(ada)).balance.amount, 2n * large)
        const { items } = yield* office.wallet.entries({ userId: ada.userId })
        assert.equal(items[0]!.balance.amount, 2n * large)
      })
  ),
  inWorld("a payment sells the seats, debits the price and completes the token", {}, (world) =>
    Effect.gen(function* () {
      const { office, join, hold, charge, queueId, performanceId, store } = world
      const ada = yield* join("ada")
      yield* charge(ada, 5_000n)
      const { reservationId } = yield* hold(ada, "S1", "S2")
      const paid = yield* office.payments.pay({ ...ada, reservationId })
      assert.deepEqual(
        [paid.reservationId, paid.amount, paid.balance],
        [reservationId, krw(2_000n), krw(3_000n)]
      )
      const { userId } = ada
      const read = yield* office.reservations.get({ userId, reservationId })
      assert.equal(read.status, "confirmed")
      assert.equal(read.confirmedAt!.getTime(), paid.paidAt.getTime())
      assert.equal((yield* office.queue.status(ada)).state, "completed")
      assert.equal((yield* office.queue.get(queueId)).active, 0)
      yield* refused("QueueTokenExpired", office.wallet.balance(ada))
      const seats = yield* store.seats(performanceId)
      assert.deepEqual(
        seats!.seats.slice(0, 3).map((seat) => [seat.status, seat.reservationId]),
        [
          ["sold", reservationId],
          ["sold", reservationId],
          ["available", null]
        ]
      )
      const again = yield* join("ada")
      const twice = office.payments.pay({ ...again, reservationId })
      assert.equal((yield* refused("ReservationNotPayable", twice)).status, "confirmed")
      yield* refused(
        "ReservationNotPayable",
        office.reservations.release({ userId, reservationId })
      )
      const { items } = yield* office.wallet.entries({ userId, limit: 1 })
      assert.deepEqual(
        [items[0]!.kind, items[0]!.amount, items[0]!.reservationId],
        ["payment", krw(-2_000n), reservationId]
      )
    })
  ),
  inWorld(
    "a session lasts as long as a hold in it, so that its user can pay",
    { policies: { holdSeconds: 600 }, queue: { sessionSeconds: 600 } },
    ({ office, join, hold, charge, passTime }) =>
      Effect.gen(function* () {
        const ada = yield* join("ada")
        yield* charge(ada, 1_000n)
        // Too soon for a call to extend the session.
        yield* passTime(50_000)
        const held = yield* hold(ada, "S1")
        const { expiresAt } = yield* office.queue.status(ada)
        assert.ok(expiresAt!.getTime() >= held.holdExpiresAt.getTime())
        yield* passTime(570_000)
        const { reservationId } = held
        assert.equal((yield* office.payments.pay({ ...ada, reservationId })).balance.amount, 0n)
      })
  ),
  inWorld("paying one hold leaves its user admitted to pay the other", {}, (world) =>
    Effect.gen(function* () {
      const { office, join, hold, charge } = world
      const ada = yield* join("ada")
      yield* charge(ada, 2_000n)
      const holds = [yield* hold(ada, "S1"), yield* hold(ada, "S2")]
      const stateAfter = (index: number) =>
        Effect.andThen(
          office.payments.pay({ ...ada, reservationId: holds[index]!.reservationId }),
          Effect.map(office.queue.status(ada), ({ state }) => state)
        )
      assert.equal(yield* stateAfter(0), "admitted")
      assert.equal(yield* stateAfter(1), "completed")
    })
  ),
  inWorld("a user who holds seats can charge and pay with a token that has ended", {}, (world) =>
    Effect.gen(function* () {
      const { office, join, hold, charge } = world
      const ada = yield* join("ada")
      yield* charge(ada, 1_000n)
      const chargeMore = office.wallet.charge({ ...ada, amount: krw(1_000n) })
      const first = yield* hold(ada, "S1")
      yield* office.payments.pay({ ...ada, reservationId: first.reservationId })
      yield* refused("QueueTokenExpired", chargeMore)
      // As if the payment had completed the token while this hold was under way.
      const { reservationId } = yield* hold(yield* join("ada"), "S2")
      assert.equal((yield* chargeMore).balance.amount, 1_000n)
      yield* office.payments.pay({ ...ada, reservationId })
      yield* refused("QueueTokenExpired", chargeMore)
    })
  ),
  inWorld("a lapsed or released hold does not keep its user admitted", {}, (world) =>
    Effect.gen(function* () {
      const { office, join, hold, charge, passTime } = world
      const ada = yield* join("ada")
      yield* charge(ada, 2_000n)
      yield* hold(ada, "S1")
      yield* passTime(250_000)
      const { reservationId: released } = yield* hold(ada, "S2")
      yield* office.reservations.release({ userId: ada.userId, reservationId: released })
      const { reservationId } = yield* hold(ada, "S3")
      yield* passTime(60_000)
      yield* office.payments.pay({ ...ada, reservationId })
      assert.equal((yield* office.queue.status(ada)).state, "completed")
    })
  ),
  inWorld("two payments of one user at once: the last one completes the token", {}, (world) =>
    Effect.gen(function* () {
      const { office, join, hold, charge } = world
      const ada = yield* join("ada")
      yield* charge(ada, 5_000n)
      const holds = yield* Effect.forEach([1, 2, 3, 4, 5], (i) => hold(ada, `S${i}`))
      yield* Effect.forEach(
        holds,
        ({ reservationId }) => office.payments.pay({ ...ada, reservationId }),
        { concurrency: "unbounded" }
      )
      assert.equal((yield* office.queue.status(ada)).state, "completed")
    })
  ),
  inWorld(
    "a payment that the balance does not cover is refused, and no money moves",
    {},
    ({ office, join, hold, charge }) =>
      Effect.gen(function* () {
        const ada = yield* join("ada")
        const { reservationId } = yield* hold(ada, "S1")
        const pay = office.payments.pay({ ...ada, reservationId })
        const none = yield* refused("InsufficientBalance", pay)
        assert.deepEqual([none.required, none.available], [krw(1_000n), krw(0n)])
        yield* charge(ada, 999n)
        assert.deepEqual((yield* refused("InsufficientBalance", pay)).available, krw(999n))
        yield* charge(ada, 1n)
        assert.equal((yield* pay).balance.amount, 0n)
      })
  ),
  inWorld(
    "1,000 pays at once on a balance that covers 7: 7 succeed",
    {
      seats: 1_000,
      policies: { paymentCompletesToken: false, seatsPerUser: 1_000 }
    },
    ({ office, join, hold, charge }) =>
      Effect.gen(function* () {
        const ada = yield* join("ada")
        yield* charge(ada, 7_999n)
        const holds = yield* Effect.all(
          times(1_000, (i) => hold(ada, `S${i + 1}`)),
          { concurrency: "unbounded" }
        )
        const { succeeded, tags } = yield* tally(
          holds.map(({ reservationId }) => office.payments.pay({ ...ada, reservationId }))
        )
        assert.equal(succeeded.length, 7)
        assert.deepEqual(tags, { InsufficientBalance: 993 })
        assert.equal((yield* office.wallet.balance(ada)).balance.amount, 999n)
      })
  ),
  inWorld("one payment key, 100 times at once: one effect, one answer", {}, (world) =>
    Effect.gen(function* () {
      const { office, join, hold, charge } = world
      const ada = yield* join("ada")
      yield* charge(ada, 5_000n)
      const { reservationId } = yield* hold(ada, "S1")
      let replays = 0
      const pay = office.payments.pay({
        ...ada,
        reservationId,
        idempotencyKey: "pay-once",
        onReplay: () => replays++
      })
      const { succeeded } = yield* tally(times(100, () => pay))
      assert.equal(succeeded.length, 100)
      for (const paid of succeeded) assert.deepEqual(paid, succeeded[0])
      assert.equal(replays, 99)
      const { items } = yield* office.wallet.entries({ userId: ada.userId })
      assert.equal(items.length, 2)
    })
  ),
  inWorld("the first outcome of a key is repeated, refusals too", {}, (world) =>
    Effect.gen(function* () {
      const { office, join, hold, charge, performanceId } = world
      const ada = yield* join("ada")
      const { reservationId } = yield* hold(ada, "S1")
      const pay = office.payments.pay({ ...ada, reservationId, idempotencyKey: "k" })
      const first = yield* refused("InsufficientBalance", pay)
      yield* charge(ada, 5_000n)
      const second = yield* refused("InsufficientBalance", pay)
      assert.deepEqual({ ...second }, { ...first })
      const charges = (amount: bigint) =>
        office.wallet.charge({ ...ada, amount: krw(amount), idempotencyKey: "k" })
      assert.deepEqual(yield* charges(10n), yield* charges(10n))
      yield* refused("IdempotencyConflict", charges(11n))
      const holds = office.reservations.hold({
        ...ada,
        performanceId,
        seatIds: ["S2"],
        idempotencyKey: "k"
      })
      assert.deepEqual(yield* holds, yield* holds)
      assert.equal((yield* office.wallet.balance(ada)).balance.amount, 5_010n)
      // Keys of different users are independent.
      const bob = yield* join("bob")
      yield* office.wallet.charge({ ...bob, amount: krw(99n), idempotencyKey: "k" })
    })
  ),
  inWorld("a refund returns the money and frees the seats, once", {}, (world) =>
    Effect.gen(function* () {
      const { office, join, hold, charge } = world
      const ada = yield* join("ada")
      yield* charge(ada, 1_000n)
      const { reservationId } = yield* hold(ada, "S1")
      const { paymentId } = yield* office.payments.pay({ ...ada, reservationId })
      const refunded = yield* office.payments.refund({ paymentId })
      assert.deepEqual([refunded.amount, refunded.balance], [krw(1_000n), krw(1_000n)])
      const { userId } = ada
      const read = yield* office.reservations.get({ userId, reservationId })
      assert.equal(read.status, "cancelled")
      const twice = yield* refused("ReservationNotPayable", office.payments.refund({ paymentId }))
      assert.equal(twice.status, "cancelled")
      yield* refused("PaymentNotFound", office.payments.refund({ paymentId: "nope" }))
      yield* refused("PaymentNotFound", office.payments.refund({ paymentId: reservationId }))
      yield* hold(yield* join("bob"), "S1")
      const { items } = yield* office.wallet.entries({ userId })
      assert.deepEqual(
        items.map((entry) => entry.kind),
        ["refund", "payment", "charge"]
      )
    })
  ),
  inWorld(
    "a user pays the price of the host's policy, and a refund keeps the policy's fee",
    {
      policies: {
        price: ({ seats }) => seats.map((_, i) => BigInt(700 * i)),
        refund: ({ amount }) => ({ amount: amount.amount / 3n })
      }
    },
    ({ office, join, hold, charge, store }) =>
      Effect.gen(function* () {
        const ada = yield* join("ada")
        yield* charge(ada, 1_000n)
        const { reservationId, amount } = yield* hold(ada, "S2", "S1")
        assert.deepEqual(amount, krw(700n))
        const { paymentId, balance } = yield* office.payments.pay({ ...ada, reservationId })
        assert.deepEqual(balance, krw(300n))
        const read = yield* office.reservations.get({ userId: ada.userId, reservationId })
        assert.deepEqual(
          read.seats.map(({ seatId, price }) => [seatId, price.amount]),
          [
            ["S2", 0n],
            ["S1", 700n]
          ]
        )
        const refunded = yield* office.payments.refund({ paymentId })
        assert.deepEqual([refunded.amount, refunded.balance], [krw(233n), krw(533n)])
        const rows = yield* store.transfers(ada.userId as never, { after: undefined, limit: 9 })
        assert.deepEqual(
          rows.map((row) => [row.kind, row.amount, row.counterAccount === rows[0]!.counterAccount]),
          [
            ["refund", 233n, true],
            ["payment", -700n, true],
            ["charge", 1_000n, false]
          ]
        )
        yield* hold(yield* join("bob"), "S1")
      })
  ),
  inWorld(
    "a user without a wallet can pay for a free seat, and an operator can refund it",
    {},
    (world) =>
      Effect.gen(function* () {
        const { office, join, hold, charge, performanceId, store } = world
        const ada = yield* join("ada")
        const free = { ...newSeats(1, 900)[0]!, price: krw(0n) }
        yield* office.catalog.addSeats({ performanceId, seats: [free] })
        const { reservationId } = yield* hold(ada, "S900")
        const key = { ...ada, reservationId, idempotencyKey: "free" }
        const paid = yield* office.payments.pay(key)
        assert.deepEqual([paid.amount, paid.balance], [krw(0n), krw(0n)])
        assert.deepEqual(yield* office.payments.pay(key), paid)
        assert.equal(yield* store.wallet(ada.userId as never), undefined)
        assert.deepEqual((yield* office.wallet.entries(ada)).items, [])
        const again = yield* refused(
          "ReservationNotPayable",
          office.payments.pay({ ...(yield* join("ada")), reservationId })
        )
        assert.equal(again.status, "confirmed")
        const back = yield* office.payments.refund({ paymentId: paid.paymentId })
        assert.deepEqual([back.amount, back.balance], [krw(0n), krw(0n)])
        assert.equal(
          (yield* office.reservations.get({ ...ada, reservationId })).status,
          "cancelled"
        )
        yield* refused(
          "ReservationNotPayable",
          office.payments.refund({ paymentId: paid.paymentId })
        )
        // The free payment made no wallet, so the first charge sets its currency.
        assert.equal(yield* charge(yield* join("ada"), 5n), 5n)
      })
  ),
  inWorld(
    "a refund that would exceed the largest amount is refused, and no money moves",
    {},
    (world) =>
      Effect.gen(function* () {
        const { office, join, hold, charge } = world
        const ada = yield* join("ada")
        yield* charge(ada, 1_000n)
        const { reservationId } = yield* hold(ada, "S1")
        const { paymentId } = yield* office.payments.pay({ ...ada, reservationId })
        const again = yield* join("ada")
        yield* charge(again, 2n ** 53n - 1n)
        const { reason } = yield* refused("RefundRefused", office.payments.refund({ paymentId }))
        assert.match(reason, /cannot hold/)
        assert.equal((yield* office.wallet.balance(again)).balance.amount, 2n ** 53n - 1n)
      })
  )
]
