import { describe, it } from "@effect/vitest"
import { Effect, Logger, Result } from "effect"
import { TestClock } from "effect/testing"
import { expect } from "vitest"
import { holdingKey } from "../src/engine/Rows.ts"
import type { PerformanceId, QueueId, SeatId, TokenId, UserId } from "../src/Ids.ts"
import {
  BoxOffice,
  defaultPolicies,
  type HoldRequest,
  LimitExceeded,
  makeBoxOffice,
  PoliciesInvalid,
  PolicyFailed,
  type PolicyOptions,
  QueueTokenRequired,
  RefundRefused
} from "../src/index.ts"
import { checkPolicies } from "../src/policies/check.ts"
import { askAdmission, askGate } from "../src/policies/evaluate.ts"
import {
  decideAdmissions,
  decideCharge,
  decideHold,
  decideRefund,
  given,
  layerMemory,
  performanceRow,
  queueRow,
  reservationRow,
  seatRow,
  seatsOf,
  testId,
  testStart,
  tokenRow,
  walletRow,
  won
} from "../src/testing.ts"
import { engine, openOffice, signingKeys } from "./support.ts"

const now = testStart
const ada = "ada" as UserId
const gala = "gala-1" as PerformanceId

const hall = {
  performances: [performanceRow()],
  seats: [seatRow({ seatId: "A1", price: won(100) }), seatRow({ seatId: "A2", price: won(200) })],
  seatCounts: [[holdingKey(gala, ada), 3]] as const
}
const hold = {
  reservationId: testId(1),
  userId: ada,
  performanceId: gala,
  seatIds: ["A2", "A1"] as ReadonlyArray<string> as ReadonlyArray<SeatId>
}
const holding = (policies: Partial<PolicyOptions>) =>
  given(hall)
    .at(now)
    .when((rows) => decideHold(rows, hold, { ...defaultPolicies, ...policies }))
const held = (policies: Partial<PolicyOptions>) => {
  let seen: unknown
  given(hall)
    .at(now)
    .when((rows) => {
      const decided = decideHold(rows, hold, { ...defaultPolicies, ...policies })
      seen = Result.getOrThrow(decided)
      return decided
    })
  return seen as {
    holdExpiresAt: number
    amount: unknown
    seats: ReadonlyArray<{ price: unknown }>
  }
}
const failed = (policy: PolicyFailed["policy"], reason: string, cause?: unknown) =>
  new PolicyFailed({ policy, reason, cause })

describe("a policy about a hold", () => {
  it("gets user, seats and instant", () => {
    const requests: Array<HoldRequest> = []
    const told =
      <A>(answer: A) =>
      (request: HoldRequest) => {
        requests.push(request)
        return answer
      }
    held({
      holdSeconds: told(60),
      seatsPerReservation: told(5),
      seatsPerUser: told(5),
      price: told([1n, 2n])
    })
    for (const request of requests) {
      expect(request).toEqual({
        userId: "ada",
        showId: "gala",
        performanceId: "gala-1",
        startsAt: new Date(performanceRow().startsAt),
        seats: [
          { seatId: "A2", section: "A", row: "1", number: "1", price: won(200) },
          { seatId: "A1", section: "A", row: "1", number: "1", price: won(100) }
        ],
        seatsOfUser: 3,
        now: new Date(now)
      })
    }
    // Twice: the scenario decides twice, to see that it is pure.
    expect(requests.length).toBe(2 * 4)
  })

  it("says how long it lasts", () => {
    const { holdExpiresAt } = held({ holdSeconds: ({ seats }) => seats.length * 30 })
    expect(holdExpiresAt).toBe(now + 60_000)
  })

  it("says what each seat costs, in the order asked for", () => {
    const { seats, amount } = held({
      price: ({ seats }) => seats.map(({ price }) => (price.amount * 9n) / 10n)
    })
    expect(seats.map(({ price }) => price)).toEqual([won(180), won(90)])
    expect(amount).toEqual(won(270))
  })

  it("may give seats away", () => {
    expect(held({ price: () => [0n, 0n] }).amount).toEqual(won(0))
  })

  it("limits the seats of a reservation and of a user, down to none", () => {
    holding({ seatsPerReservation: () => 1 }).thenRefused(
      new LimitExceeded({ name: "seatsPerReservation", limit: 1 })
    )
    holding({ seatsPerUser: ({ userId }) => (userId === "ada" ? 0 : 20) }).thenRefused(
      new LimitExceeded({ name: "seatsPerUser", limit: 0 })
    )
    held({ seatsPerUser: ({ seatsOfUser, seats }) => seatsOfUser + seats.length })
  })

  it("can change its input without any effect", () => {
    const spoil = (request: HoldRequest): Array<bigint> => {
      const seats = request.seats as unknown as Array<{ price: { amount: bigint } }>
      for (const seat of seats) seat.price.amount = 7n
      seats.reverse()
      request.now.setTime(0)
      return [1n, 2n]
    }
    const { seats, holdExpiresAt } = held({
      seatsPerUser: (request) => spoil(request).length + 10,
      price: spoil
    })
    expect(seats).toMatchObject([{ seatId: "A2" }, { seatId: "A1" }])
    expect(holdExpiresAt).toBe(now + 300_000)
    expect(hall.seats.map(({ price }) => price.amount)).toEqual([100n, 200n])
  })

  const seconds = "and not a whole number from 1 to 2147483647"
  const prices = "and not 2 prices as bigint from 0 to 2^53-1"
  const nonsense: ReadonlyArray<
    readonly [policies: Partial<PolicyOptions>, policy: PolicyFailed["policy"], reason: string]
  > = [
    [{ holdSeconds: () => Number.NaN }, "holdSeconds", `gave NaN, ${seconds}`],
    [{ holdSeconds: () => -1 }, "holdSeconds", `gave -1, ${seconds}`],
    [{ holdSeconds: () => 0 }, "holdSeconds", `gave 0, ${seconds}`],
    [{ holdSeconds: () => 1.5 }, "holdSeconds", `gave 1.5, ${seconds}`],
    [{ holdSeconds: () => Infinity }, "holdSeconds", `gave Infinity, ${seconds}`],
    [{ holdSeconds: () => 2_147_483_648 }, "holdSeconds", `gave 2147483648, ${seconds}`],
    [{ holdSeconds: () => "60" as never }, "holdSeconds", `gave string, ${seconds}`],
    [{ holdSeconds: (async () => 60) as never }, "holdSeconds", `gave a promise, ${seconds}`],
    [
      { seatsPerUser: () => -1 },
      "seatsPerUser",
      "gave -1, and not a whole number from 0 to 2147483647"
    ],
    [
      { seatsPerReservation: () => undefined as never },
      "seatsPerReservation",
      "gave undefined, and not a whole number from 0 to 2147483647"
    ],
    [{ price: () => [1n] }, "price", `gave an array, ${prices}`],
    [{ price: () => [1n, 2n, 3n] }, "price", `gave an array, ${prices}`],
    [{ price: () => [1n, -1n] }, "price", `gave an array, ${prices}`],
    [{ price: () => [1n, 2n ** 53n] }, "price", `gave an array, ${prices}`],
    [{ price: () => [1n, 2 as never] }, "price", `gave an array, ${prices}`],
    [{ price: () => new Array(2) as never }, "price", `gave an array, ${prices}`],
    [{ price: () => null as never }, "price", `gave null, ${prices}`]
  ]
  it.each(nonsense)(
    "that gives nonsense refuses it: %o is no answer of %s",
    (rules, name, reason) => holding(rules).thenRefused(failed(name, reason))
  )

  it("that throws refuses it, and the error shows where it threw", () => {
    const cause = new Error("no such price list")
    const price = () => {
      throw cause
    }
    holding({ price }).thenRefused(failed("price", "threw", cause))
  })
})

describe("a policy about a wallet", () => {
  const charge = (walletCeiling: PolicyOptions["walletCeiling"], wallets = [walletRow()]) =>
    given({ wallets })
      .at(now)
      .when((rows) =>
        decideCharge(
          rows,
          { transferId: testId(1), userId: ada, amount: won(500) },
          { ...defaultPolicies, walletCeiling }
        )
      )

  it("says how much it may contain, and gets its balance", () => {
    const { balance } = walletRow()
    charge((request) => {
      expect(request).toEqual({
        userId: "ada",
        amount: won(500),
        balance: won(balance),
        now: new Date(now)
      })
      return balance + 500n
    }).thenEvents({
      _tag: "WalletCharged",
      transferId: testId(1),
      userId: ada,
      amount: won(500),
      at: now
    })
    charge(({ balance }) => (balance === null ? 499n : 10_000n), []).thenRefused(
      new LimitExceeded({ name: "walletCeiling", limit: 499 })
    )
  })

  it.each([-1n, 2n ** 63n, 500 as never, undefined as never])(
    "refuses the charge where it gives nonsense: %s",
    (nonsense) => {
      const name = nonsense === undefined ? "undefined" : String(nonsense)
      charge(() => nonsense).thenRefused(
        failed("walletCeiling", `gave ${name}, and not a bigint from 0 to 2^63-1`)
      )
    }
  )
})

describe("a policy about a refund", () => {
  const paid = reservationRow({
    status: "confirmed",
    seats: [seatRow({ seatId: "A1", price: won(1_000) })],
    amount: won(1_000)
  })
  const refund = { refundId: testId(9), paymentId: paid.paymentId! }
  const refunding = (rule: PolicyOptions["refund"]) =>
    given({
      performances: [performanceRow()],
      reservations: [paid],
      seats: seatsOf(paid),
      wallets: [walletRow({ balance: 0n })]
    })
      .at(now)
      .when((rows) => decideRefund(rows, refund, { refund: rule }))
  const refunded = (amount: bigint) =>
    ({
      _tag: "PaymentRefunded",
      ...refund,
      reservationId: paid.reservationId,
      performanceId: gala,
      userId: ada,
      showId: performanceRow().showId,
      seatIds: ["A1" as SeatId],
      amount: won(amount),
      at: now
    }) as const

  it("gets the payment, its seats and the instant", () => {
    refunding((request) => {
      expect(request).toEqual({
        paymentId: paid.paymentId,
        reservationId: paid.reservationId,
        userId: "ada",
        showId: "gala",
        performanceId: "gala-1",
        startsAt: new Date(performanceRow().startsAt),
        seats: [{ seatId: "A1", section: "A", row: "1", number: "1", price: won(1_000) }],
        amount: won(1_000),
        paidAt: new Date(paid.confirmedAt!),
        now: new Date(now)
      })
      return { amount: 1_000n }
    }).thenEvents(refunded(1_000n))
  })

  it.each([0n, 1n, 900n, 1_000n])("gives %s of 1,000 back, and frees the seats", (amount) => {
    const rows = refunding(() => ({ amount })).thenEvents(refunded(amount))
    expect(rows.changes()).toMatchObject({
      reservations: [{ status: "cancelled" }],
      seats: [{ seatId: "A1", status: "available", reservationId: null }],
      wallets: [{ balance: amount }],
      transfers: [{ kind: "refund", amount }]
    })
  })

  it("refuses in its own words", () => {
    refunding(() => ({ refused: "No refunds." })).thenRefused(
      new RefundRefused({ reason: "No refunds." })
    )
  })

  it.each([
    { amount: 1_001n },
    { amount: -1n },
    { amount: 1_000 },
    { refused: "" },
    { refused: "x".repeat(501) },
    { refused: true },
    { amount: 1n, refused: "both" },
    {},
    null,
    undefined,
    1_000n
  ])("gives nothing back, and refuses nothing, where it gives nonsense: %o", (nonsense) => {
    const named =
      nonsense === null ? "null" : typeof nonsense === "bigint" ? "1000" : typeof nonsense
    refunding(() => nonsense as never).thenRefused(
      failed(
        "refund",
        `gave ${named}, and not { refused } with a reason, or { amount } as a bigint from 0 to ` +
          "what was paid"
      )
    )
  })
})

describe("a policy about admission", () => {
  const settings = {
    ...defaultPolicies.queue,
    maxActive: 4,
    admitPerMinute: 100,
    claimSeconds: 60,
    sessionSeconds: 600
  }
  const line = {
    queues: [queueRow({ settings, active: 1, admittedLastMinute: 7, waiting: 5 })],
    tokens: [1, 2, 3, 4, 5].map((n) =>
      tokenRow({ tokenId: testId(n), userId: `u${n}`, number: BigInt(n) })
    ),
    ahead: [1, 2, 3, 4, 5].map((n) => [testId(n) as TokenId, n - 1] as const)
  }
  const admitted = (admission: PolicyOptions["admission"]): ReadonlyArray<string> => {
    let events: ReturnType<typeof decideAdmissions> = []
    given(line)
      .at(now)
      .when((rows) => {
        events = decideAdmissions(rows, "main" as QueueId, new Set(), { admission })
        return events
      })
    return events.map(({ userId }) => userId)
  }

  it("gets the counts of the queue", () => {
    admitted((request) => {
      expect(request).toEqual({
        queueId: "main",
        settings,
        active: 1,
        admittedLastMinute: 7,
        waiting: 5,
        room: 3,
        now: new Date(now)
      })
      return 0
    })
  })

  const answers: ReadonlyArray<
    readonly [
      answer: string,
      admission: PolicyOptions["admission"],
      lets: string,
      users: ReadonlyArray<string>
    ]
  > = [
    ["no policy", undefined, "all there is room for", ["u1", "u2", "u3"]],
    ["0", () => 0, "nobody", []],
    ["2", () => 2, "the first two", ["u1", "u2"]],
    ["2.9", () => 2.9, "the first two", ["u1", "u2"]],
    ["more than there is room for", () => 4, "the room's worth", ["u1", "u2", "u3"]],
    ["Infinity", () => Number.POSITIVE_INFINITY, "the room's worth", ["u1", "u2", "u3"]],
    ["something negative", () => -1, "nobody", []],
    ["NaN", () => Number.NaN, "nobody", []],
    ["a text", () => "2" as never, "nobody", []],
    ["a throw", () => Result.getOrThrow(Result.fail(new Error("oh"))), "nobody", []],
    [
      "having changed what it was told",
      (request) => {
        Object.assign(request, { room: 99 })
        Object.assign(request.settings, { maxActive: 99 })
        return 99
      },
      "the room's worth",
      ["u1", "u2", "u3"]
    ]
  ]
  it.each(answers)("returns %s, which admits%.0s %s", (_, admission, __, users) =>
    expect(admitted(admission)).toEqual(users)
  )

  it("reports what is wrong with it", () => {
    const request = { queueId: "q", settings, active: 0, admittedLastMinute: 0, waiting: 1 }
    const asked = askAdmission(
      { admission: () => Number.NaN },
      { ...request, room: 1, now: new Date() }
    )
    expect(Result.getOrThrow(Result.flip(asked)).message).toBe(
      "The policy admission gave NaN, and not a number."
    )
  })

  it.effect("is logged if it fails, once a minute, while the queue goes on", () => {
    const logged: Array<unknown> = []
    const logger = Logger.formatStructured.pipe(Logger.map((entry) => logged.push(entry)))
    const admission = () => {
      throw new Error("oh")
    }
    return Effect.gen(function* () {
      const office = yield* openOffice()
      const { userId, queueToken } = yield* office.caller("ada")
      const status = office.queue.status({ userId, queueToken })
      expect(yield* status).toMatchObject({ state: "waiting", position: 1 })
      yield* status
      expect(logged).toHaveLength(1)
      expect(logged[0]).toMatchObject({
        message: "nobody is let in",
        cause: expect.stringMatching(/policy admission [\s\S]*Error: oh/)
      })
      yield* TestClock.adjust("1 minute")
      yield* status
      expect(logged).toHaveLength(2)
      yield* office.queue.leave({ userId, queueToken })
    }).pipe(
      Effect.provide(engine({ policies: { admission } })),
      Effect.provide(Logger.layer([logger]))
    )
  })
})

describe("a gate that is a function", () => {
  const call = { operation: "hold", userId: "ada", showId: undefined } as const

  it("says which call needs a queue token", () => {
    const gate: PolicyOptions["gate"] = ({ operation, performanceId }) =>
      operation === "hold" && performanceId !== "members-only"
    const asked = (performanceId: string) =>
      Result.getOrThrow(askGate(gate, { ...call, performanceId }))
    expect(asked("gala-1")).toBe(true)
    expect(asked("members-only")).toBe(false)
  })

  it("refuses the call if it returns an invalid value", () => {
    const asked = askGate((() => "yes") as never, { ...call, performanceId: "gala-1" })
    expect(asked).toEqual(Result.fail(failed("gate", "gave string, and not true or false")))
  })

  it.effect("gets what each operation knows", () => {
    const calls: Array<unknown> = []
    const gate: PolicyOptions["gate"] = (call) => {
      calls.push(call)
      return call.userId === "grace"
    }
    return Effect.gen(function* () {
      const { catalog, reservations, wallet, payments } = yield* openOffice()
      const userId = "ada"
      const performanceId = "gala-1"
      yield* catalog.availableDates({ userId, showId: "gala" })
      yield* catalog.availableSeats({ userId, performanceId })
      const { reservationId } = yield* reservations.hold({ userId, performanceId, seatIds: ["A1"] })
      yield* wallet.charge({ userId, amount: won(110_000) })
      yield* wallet.balance({ userId })
      yield* payments.pay({ userId, reservationId })
      const [showId, none] = ["gala", undefined]
      expect(calls).toEqual([
        { operation: "dates", userId, showId, performanceId: none },
        { operation: "seats", userId, showId: none, performanceId },
        { operation: "hold", userId, showId: none, performanceId },
        { operation: "charge", userId, showId: none, performanceId: none },
        { operation: "balance", userId, showId: none, performanceId: none },
        { operation: "pay", userId, showId: none, performanceId: none }
      ])
      const refused = yield* Effect.flip(wallet.balance({ userId: "grace" }))
      expect(refused).toEqual(new QueueTokenRequired())
    }).pipe(Effect.provide(engine({ policies: { gate } })))
  })
})

describe("through the services", () => {
  it.effect("a price is what is paid, and a fee is what stays", () =>
    Effect.gen(function* () {
      const office = yield* openOffice()
      const ada = yield* office.caller("ada")
      const seatIds = ["A1", "A2"]
      const hold = yield* office.reservations.hold({ ...ada, performanceId: "gala-1", seatIds })
      expect(hold.amount).toEqual(won(150_000))
      yield* office.wallet.charge({ ...ada, amount: won(150_000) })
      const { reservationId } = hold
      const { paymentId } = yield* office.payments.pay({ ...ada, reservationId })
      const refund = { paymentId, idempotencyKey: "r1" }
      const { amount } = yield* office.payments.refund(refund)
      expect(amount).toEqual(won(140_000))
      expect((yield* office.payments.refund(refund)).amount).toEqual(amount)
      expect(yield* office.balanceOf("ada")).toBe(140_000n)
    }).pipe(
      Effect.provide(
        engine({
          policies: {
            price: ({ seats }) => seats.map(() => 75_000n),
            refund: ({ amount }) => ({ amount: amount.amount - 10_000n })
          }
        })
      )
    )
  )

  it.effect("a failure affects only its own call, and is not recorded for the key", () => {
    let faulty = true
    const price: PolicyOptions["price"] = ({ userId, seats }) => {
      if (faulty && userId === "ada") throw new Error("oh")
      return seats.map(() => 1n)
    }
    return Effect.gen(function* () {
      const office = yield* openOffice()
      const [ada, grace] = [yield* office.caller("ada"), yield* office.caller("grace")]
      const hold = (caller: typeof ada, seatId: string) =>
        office.reservations.hold({
          ...caller,
          performanceId: "gala-1",
          seatIds: [seatId],
          idempotencyKey: "h1"
        })
      // In one batch.
      const [first, second] = yield* Effect.all(
        [Effect.result(hold(ada, "A1")), Effect.result(hold(grace, "A2"))],
        { concurrency: "unbounded" }
      )
      expect(Result.getOrThrow(Result.flip(first))).toMatchObject({ code: "policy_failed" })
      expect(Result.getOrThrow(second).amount).toEqual(won(1))
      faulty = false
      expect((yield* hold(ada, "A1")).amount).toEqual(won(1))
    }).pipe(Effect.provide(engine({ policies: { price } })))
  })

  it.effect("a refused refund is recorded for its key", () => {
    let refuse = true
    const refund: PolicyOptions["refund"] = ({ amount }) =>
      refuse ? { refused: "Too late." } : { amount: amount.amount }
    return Effect.gen(function* () {
      const office = yield* openOffice()
      const ada = yield* office.caller("ada")
      const { reservationId, amount } = yield* office.reservations.hold({
        ...ada,
        performanceId: "gala-1",
        seatIds: ["A1"]
      })
      yield* office.wallet.charge({ ...ada, amount })
      const { paymentId } = yield* office.payments.pay({ ...ada, reservationId })
      const asked = { paymentId, idempotencyKey: "r1" }
      const refused = new RefundRefused({ reason: "Too late." })
      expect(yield* Effect.flip(office.payments.refund(asked))).toEqual(refused)
      refuse = false
      expect(yield* Effect.flip(office.payments.refund(asked))).toEqual(refused)
      yield* office.payments.refund({ paymentId, idempotencyKey: "r2" })
    }).pipe(Effect.provide(engine({ policies: { refund } })))
  })
})

describe("an engine", () => {
  it.each([
    [{ price: 5 as never }, "price"],
    [{ refund: "all" as never, admission: null as never }, "admission"],
    [{ holdSecond: 60 } as never, "holdSecond"],
    [{ idempotencyKeySeconds: 86_399 }, "idempotencyKeySeconds"],
    [{ eventSeconds: 60 }, "eventSeconds"],
    [{ currency: (() => "KRW") as never }, "currency"],
    [{ currency: "ZZZ" }, "currency"]
  ] as ReadonlyArray<readonly [Partial<PolicyOptions>, string]>)(
    "is not made with policies that do not fit: %j",
    async (policies, path) => {
      const error = await makeBoxOffice(layerMemory, { signingKeys, policies }).catch((e) => e)
      expect(error).toBeInstanceOf(PoliciesInvalid)
      expect(error.errors.map((e: { path: string }) => e.path)).toContain(path)
      expect(error.message).toContain(path)
    }
  )

  it.effect("fails with them as a typed error", () =>
    Effect.gen(function* () {
      const made = Effect.provide(BoxOffice, engine({ policies: { price: 5 as never } }))
      expect(yield* Effect.flip(made)).toBeInstanceOf(PoliciesInvalid)
    })
  )
})

describe("a setting by its former name", () => {
  it.effect("is refused with the new one", () =>
    Effect.gen(function* () {
      const former = { queueFreshMs: 1, awayMs: 1 } as Partial<PolicyOptions>
      const { errors } = yield* Effect.flip(checkPolicies(former))
      expect(errors).toEqual([
        { path: "queueFreshMs", message: "is called queueMaxAgeMs now" },
        { path: "awayMs", message: "is called staleIfStoreDownMs now" }
      ])
    })
  )
})
