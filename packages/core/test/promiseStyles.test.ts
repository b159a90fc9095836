import { format } from "node:util"
import { Effect, type Stream } from "effect"
import { describe, expect, expectTypeOf, it } from "vitest"
import {
  type BoxOfficeError,
  type BoxOfficeResults,
  type CallOptions,
  type Catalog,
  type CommandOptions,
  type HoldError,
  InsufficientBalance,
  isBoxOfficeError,
  makeBoxOffice,
  type Outcome,
  type Payments,
  type PromisedOperations,
  type Queue,
  QueueNotFound,
  type Reservations,
  SeatUnavailable,
  StoreUnavailable,
  type Wallet
} from "../src/index.ts"
import { layerMemory, won } from "../src/testing.ts"
import { gala, signingKeys } from "./support.ts"

const open = async () => {
  const office = await makeBoxOffice(layerMemory, { signingKeys })
  await office.queue.create({ queueId: "main" })
  await office.catalog.addShow(gala.show)
  await office.catalog.addPerformance(gala.performance)
  await office.catalog.addSeats(gala.seats)
  const { token } = await office.queue.join({ queueId: "main", userId: "ada" })
  return { office, ada: { userId: "ada", queueToken: token } }
}

describe("the interfaces that are written by hand", () => {
  // Three have options in Effect as well; as promises, one object has both.
  type Keyed = "configure" | "reschedule" | "setMode"
  type OptionsOf<Name> = Name extends Keyed ? CallOptions & CommandOptions : CallOptions

  // The expected types, derived from the services that the interfaces repeat.
  type Throwing<Service> = {
    readonly [Name in keyof Service]: Service[Name] extends (
      ...args: infer Args
    ) => Effect.Effect<infer A, infer _E>
      ? (...args: [...Args, options?: OptionsOf<Name>]) => Promise<A>
      : Service[Name] extends (...args: infer Args) => Stream.Stream<infer A, infer _E>
        ? (...args: [...Args, options?: OptionsOf<Name>]) => AsyncIterable<A>
        : never
  }
  type Settling<Service> = {
    readonly [Name in keyof Service]: Service[Name] extends (
      ...args: infer Args
    ) => Effect.Effect<infer A, infer E>
      ? (...args: [...Args, options?: OptionsOf<Name>]) => Promise<Outcome<A, E>>
      : Service[Name] extends (...args: infer Args) => Stream.Stream<infer A, infer E>
        ? (...args: [...Args, options?: OptionsOf<Name>]) => AsyncIterable<Outcome<A, E>>
        : never
  }
  // Ids come as plain texts. These two are the only operations whose Effect asks for a branded one.
  // An operation that returns at once returns no promise.
  type Two<Name extends Keyed> = Queue["Service"][Name] extends (
    a: infer A,
    b: infer B,
    options?: CommandOptions
  ) => infer Answer
    ? (a: A, b: B) => Answer
    : never
  type QueueService = Omit<Queue["Service"], "advance" | "peek" | Keyed> & {
    readonly advance: (queueId: string) => ReturnType<Queue["Service"]["advance"]>
    readonly configure: Two<"configure">
    readonly reschedule: Two<"reschedule">
    readonly setMode: Two<"setMode">
  }
  type ReservationsService = Omit<Reservations["Service"], "expire"> & {
    readonly expire: (
      reservationIds: ReadonlyArray<string>
    ) => ReturnType<Reservations["Service"]["expire"]>
  }

  it("have the operations of the services, with their inputs and answers", () => {
    expectTypeOf<PromisedOperations["queue"]>().toEqualTypeOf<Throwing<QueueService>>()
    expectTypeOf<PromisedOperations["catalog"]>().toEqualTypeOf<Throwing<Catalog["Service"]>>()
    expectTypeOf<PromisedOperations["reservations"]>().toEqualTypeOf<
      Throwing<ReservationsService>
    >()
    expectTypeOf<PromisedOperations["wallet"]>().toEqualTypeOf<Throwing<Wallet["Service"]>>()
    expectTypeOf<PromisedOperations["payments"]>().toEqualTypeOf<Throwing<Payments["Service"]>>()
  })

  it("have their errors, in the style that gives them as values", () => {
    expectTypeOf<BoxOfficeResults["queue"]>().toEqualTypeOf<Settling<QueueService>>()
    expectTypeOf<BoxOfficeResults["catalog"]>().toEqualTypeOf<Settling<Catalog["Service"]>>()
    expectTypeOf<BoxOfficeResults["reservations"]>().toEqualTypeOf<Settling<ReservationsService>>()
    expectTypeOf<BoxOfficeResults["wallet"]>().toEqualTypeOf<Settling<Wallet["Service"]>>()
    expectTypeOf<BoxOfficeResults["payments"]>().toEqualTypeOf<Settling<Payments["Service"]>>()
  })
})

describe("results", () => {
  it("give what the operation gives", async () => {
    const { office, ada } = await open()
    await using _ = office
    const joined = await office.results.queue.join({ queueId: "main", userId: "ada" })
    expect(joined).toMatchObject({ ok: true, value: { state: "admitted", token: ada.queueToken } })
  })

  it("give the error that it refuses with, which a switch can exhaust", async () => {
    const { office, ada } = await open()
    await using _ = office
    const hold = { ...ada, performanceId: "gala-1", seatIds: ["A1"] }
    await office.reservations.hold(hold)
    const held = await office.results.reservations.hold(hold)
    if (held.ok) return expect.unreachable()
    expect(held.error).toBeInstanceOf(SeatUnavailable)
    expect(describeRefusal(held.error)).toBe("A1 is held")
  })

  it("give the error of a stream as its last", async () => {
    const { office, ada } = await open()
    await using _ = office
    const seen = []
    for await (const status of office.results.queue.changes({ ...ada, userId: "grace" })) {
      seen.push(status)
    }
    expect(seen).toMatchObject([{ ok: false, error: { code: "queue_token_invalid" } }])
  })

  it("say that the engine is closed", async () => {
    const { office, ada } = await open()
    await office.close()
    const closed = { ok: false, error: { code: "store_unavailable", retryable: false } }
    expect(await office.results.wallet.balance(ada)).toMatchObject(closed)
    for await (const status of office.results.queue.changes(ada)) {
      expect(status).toMatchObject(closed)
    }
  })
})

/** Type-checks because every refusal has its case; and no longer would if one were added. */
const describeRefusal = (error: HoldError): string => {
  switch (error._tag) {
    case "SeatUnavailable":
      return error.conflicts.map(({ seatId, reason }) => `${seatId} is ${reason}`).join(", ")
    case "SeatNotFound":
      return `no seat ${error.seatIds.join(", ")}`
    case "LimitExceeded":
      return `at most ${error.limit}`
    case "QueueTokenWaiting":
      return `position ${error.position}`
    case "QueueTokenExpired":
      return error.state
    case "QueueTokenWrongQueue":
      return error.requiredQueueId
    case "Overloaded":
      return `in ${error.retryAfterSeconds} s`
    case "StoreUnavailable":
      return String(error.retryable)
    case "PolicyFailed":
      return error.policy
    case "RequestInvalid":
      return error.errors.map(({ path }) => path).join(", ")
    case "PerformanceNotFound":
    case "QueueTokenRequired":
    case "QueueTokenInvalid":
    case "IdempotencyConflict":
      return error.code
    default:
      return error satisfies never
  }
}

describe("an AbortSignal", () => {
  it("rejects with its reason, in both styles", async () => {
    const { office, ada } = await open()
    await using _ = office
    const reason = new Error("The browser has gone.")
    const options = { signal: AbortSignal.abort(reason) }
    await expect(office.wallet.balance(ada, options)).rejects.toBe(reason)
    await expect(office.results.wallet.balance(ada, options)).rejects.toBe(reason)
    await expect(office.wallet.balance(ada, { signal: AbortSignal.abort() })).rejects.toMatchObject(
      {
        name: "AbortError"
      }
    )
  })

  it("ends the watching of a queue with its reason", async () => {
    const { office, ada } = await open()
    await using _ = office
    const controller = new AbortController()
    const watch = office.queue.changes(ada, { signal: controller.signal })[Symbol.asyncIterator]()
    expect((await watch.next()).value).toMatchObject({ state: "admitted" })
    const next = watch.next()
    const reason = new Error("The browser has gone.")
    controller.abort(reason)
    await expect(next).rejects.toBe(reason)
    const late = office.queue.changes(ada, { signal: controller.signal })[Symbol.asyncIterator]()
    await expect(late.next()).rejects.toBe(reason)
  })

  it("that was never aborted, or is not given, changes nothing", async () => {
    const { office, ada } = await open()
    await using _ = office
    const { signal } = new AbortController()
    expect((await office.wallet.balance(ada, { signal })).balance).toEqual(won(0))
    expect((await office.wallet.balance(ada, { signal: undefined })).balance).toEqual(won(0))
    expect((await office.wallet.balance(ada, {})).balance).toEqual(won(0))
  })
})

describe("what only the engine as a whole has", () => {
  it("sweeps on request, and returns how much was due", async () => {
    const { office } = await open()
    await using _ = office
    expect(await office.sweep()).toBe(0)
    await office.ping()
    await office.queue.advance("main")
    await office.queue.advance("not a key\0")
    await office.reservations.expire(["not an id"])
  })

  it("gives its services to what is built on it", async () => {
    const { office, ada } = await open()
    await using _ = office
    const { Wallet } = await import("../src/index.ts")
    const read = Effect.flatMap(Wallet, (wallet) => wallet.balance(ada))
    const { balance } = await Effect.runPromise(Effect.provide(read, office.services))
    expect(balance).toEqual(won(0))
  })
})

describe("an error", () => {
  const poor = new InsufficientBalance({ required: won(2n ** 60n), available: won(1) })

  it("is known by its tag", () => {
    expectTypeOf(isBoxOfficeError).guards.toEqualTypeOf<BoxOfficeError>()
    expect(isBoxOfficeError(poor)).toBe(true)
    // As an error of another copy of the package.
    expect(isBoxOfficeError(Object.assign(new Error(), { _tag: "HoldExpired", code: "x" }))).toBe(
      true
    )
    for (const other of [
      undefined,
      null,
      "QueueNotFound",
      new Error("x"),
      { ...poor },
      Object.assign(new Error(), { _tag: "toString", code: "x" })
    ]) {
      expect(isBoxOfficeError(other)).toBe(false)
    }
  })

  it("is plain in JSON, money and message included, and the store's own words left out", () => {
    expect(JSON.parse(JSON.stringify(poor))).toEqual({
      _tag: "InsufficientBalance",
      code: "insufficient_balance",
      message: expect.stringContaining(
        "costs 1152921504606846976 KRW and the wallet has 1 KRW, in minor units"
      ),
      required: { amount: "1152921504606846976", currency: "KRW" },
      available: { amount: 1, currency: "KRW" }
    })
    const away = new StoreUnavailable({ retryable: true, cause: new Error("host db.internal") })
    expect(JSON.stringify(away)).not.toContain("db.internal")
  })

  it("is printed as any other: what it says, where it was made, its fields and its cause", () => {
    const cause = new Error("connection refused")
    const printed = format(new StoreUnavailable({ retryable: true, cause }))
    expect(printed).toMatch(
      /^StoreUnavailable: The store is unavailable: try again in a moment\.$/m
    )
    expect(printed).toContain("promiseStyles.test.ts")
    expect(printed).toContain("code: 'store_unavailable'")
    expect(printed).toContain("connection refused")
    // A refusal of a batch has no stack.
    expect(format(new QueueNotFound())).toContain("QueueNotFound: There is no such queue.")
  })
})
