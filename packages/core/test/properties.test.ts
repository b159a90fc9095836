/**
 * Random histories of commands over a small catalogue, through the real services on the store in
 * memory. After each step the test checks all invariants. It prints a failure as the shortest
 * history that shows it, with the command that replays it; `SEED` and `RUNS` explore further.
 */
import { afterAll, describe, it } from "@effect/vitest"
import { Arbitrary, Effect, Layer, Result, Schema } from "effect"
import { TestClock } from "effect/testing"
import { expect } from "vitest"
import { isOnSale } from "../src/catalog/model.ts"
import {
  BoxOffice,
  BoxOfficeStore,
  type PerformanceId,
  type ReservationId,
  type TokenId,
  type UserId
} from "../src/index.ts"
import { tokenStateAt } from "../src/queue/status.ts"
import { reservationStatusAt, seatStatusAt } from "../src/reservation/model.ts"
import { sweep } from "../src/Sweeper.ts"
import { layerMemory, testStart } from "../src/testing.ts"
import { engine, gala } from "./support.ts"

const seed = process.env.SEED ?? "box office"
const runs = Number(process.env.RUNS ?? 60)

const users = ["ada", "bob", "cyd", "dee", "eve", "fay"].map((name) => name as UserId)
const buyers = users.slice(0, 3)
const seatIds = ["A1", "A2", "A3"]
// The second is on sale for a while only.
const performanceIds = ["gala-1", "gala-2"].map((name) => name as PerformanceId)
const settings = { maxActive: 2, admitPerMinute: 3, claimSeconds: 20, sessionSeconds: 100 }
const policies = {
  gate: ["hold"],
  holdSeconds: 60,
  seatsPerReservation: 2,
  seatsPerUser: 2,
  walletCeiling: 1_000n
} as const
const krw = (amount: number) => ({ amount: BigInt(amount), currency: "KRW" })

// The possible actions. There are few users, seats and reservations, so that actions often conflict.
// `which` counts back from the latest.
const below = (n: number) => Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: n - 1 }))
const user = below(buyers.length)
const which = below(3)
const hold = { user, performance: below(2), first: below(3), seats: below(2) }
const join = Schema.TaggedStruct("join", { user })
const holds = Schema.TaggedStruct("hold", hold)
const charge = Schema.TaggedStruct("charge", { user, amount: Schema.Literals([1, 70, 500]) })
const pay = Schema.TaggedStruct("pay", { user, which, own: Schema.Boolean })
// The edges of holds, claim windows, sessions and minutes, and the millisecond before.
const tick = Schema.TaggedStruct("tick", {
  ms: Schema.Literals([1, 1_000, 19_999, 20_000, 59_999, 60_000])
})
const actions = [
  join,
  Schema.TaggedStruct("poll", { user }),
  Schema.TaggedStruct("leave", { user }),
  holds,
  Schema.TaggedStruct("release", { user, which, own: Schema.Boolean }),
  charge,
  pay,
  Schema.TaggedStruct("refund", { which }),
  Schema.TaggedStruct("mode", { mode: Schema.Literals(["open", "paused", "draining"]) }),
  Schema.TaggedStruct("sweep", {}),
  tick
] as const
const open = Schema.TaggedStruct("mode", { mode: Schema.Literal("open") })
// Actions that lead to a purchase are more frequent than those that prevent one.
const Action = Schema.Union([
  ...actions,
  join,
  join,
  holds,
  holds,
  holds,
  charge,
  pay,
  pay,
  pay,
  open
])
type Action = typeof Action.Type
type Performed = { readonly action: Action; readonly succeeded: boolean }

// The waiting room alone, with more people in it.
const somebody = { user: below(users.length) }
const QueueAction = Schema.Union([
  Schema.TaggedStruct("join", somebody),
  Schema.TaggedStruct("join", somebody),
  Schema.TaggedStruct("poll", somebody),
  Schema.TaggedStruct("poll", somebody),
  Schema.TaggedStruct("leave", somebody),
  open,
  Schema.TaggedStruct("mode", { mode: Schema.Literals(["paused", "draining"]) }),
  Schema.TaggedStruct("sweep", {}),
  tick
])

/** The actions of a step are all under way at once, so that they meet in one batch. */
const historyOf = (action: Schema.Schema<Action>) =>
  Arbitrary.array(Arbitrary.array(Arbitrary.schema(action), { minLength: 1, maxLength: 3 }), {
    maxLength: 60
  })

/** How often each action succeeded, over all histories: so that no test passes by doing nothing. */
const succeeded = new Map<string, number>()

const openWorld = Effect.gen(function* () {
  yield* TestClock.setTime(testStart)
  const office = yield* BoxOffice
  yield* office.queue.create({ queueId: "main", settings })
  for (const userId of buyers) yield* office.wallet.charge({ userId, amount: krw(300) })
  for (const [i, performanceId] of performanceIds.entries()) {
    const showId = `show-${i}`
    const sales =
      i === 0
        ? {}
        : {
            salesOpenAt: new Date(testStart + 5_000),
            salesCloseAt: new Date(testStart + 90_000)
          }
    yield* office.catalog.addShow({ ...gala.show, ...sales, showId })
    yield* office.catalog.addPerformance({ ...gala.performance, performanceId, showId })
    const seats = seatIds.map((seatId) => ({
      ...gala.seats.seats[0]!,
      seatId,
      price: krw(100)
    }))
    yield* office.catalog.addSeats({ performanceId, seats })
  }
})

/** Performs the actions of a history and records their outcomes. */
const makeActor = Effect.gen(function* () {
  const office = yield* BoxOffice
  const services = yield* Effect.context<Effect.Services<typeof sweep>>()
  const tokens = new Map<number, string>()
  const tokenIds = new Set<TokenId>()
  const reservations: Array<{ readonly user: number; readonly reservationId: ReservationId }> = []
  const payments: Array<string> = []

  const caller = (user: number) => ({ userId: users[user]!, queueToken: tokens.get(user) })
  const reservationOf = (which: number, user?: number) =>
    reservations.filter((made) => user === undefined || made.user === user).at(-1 - which)
      ?.reservationId ?? "none"

  const act = (action: Action): Effect.Effect<unknown, unknown> => {
    switch (action._tag) {
      case "join":
        return Effect.map(
          office.queue.join({ queueId: "main", userId: users[action.user]! }),
          ({ token }) => {
            tokens.set(action.user, token)
            const claims = JSON.parse(Buffer.from(token.split(".")[2]!, "base64url").toString())
            tokenIds.add(claims[2])
          }
        )
      case "poll":
        return office.queue.status(caller(action.user))
      case "leave":
        return office.queue.leave(caller(action.user))
      case "hold":
        return Effect.map(
          office.reservations.hold({
            ...caller(action.user),
            performanceId: performanceIds[action.performance]!,
            seatIds: seatIds.slice(action.first, action.first + action.seats + 1)
          }),
          ({ reservationId }) => reservations.push({ user: action.user, reservationId })
        )
      case "release":
        return office.reservations.release({
          userId: users[action.user]!,
          reservationId: reservationOf(action.which, action.own ? action.user : undefined)
        })
      case "charge":
        return Effect.map(
          office.wallet.charge({ ...caller(action.user), amount: krw(action.amount) }),
          ({ balance }) => expect(balance.amount).toBeLessThanOrEqual(policies.walletCeiling)
        )
      case "pay":
        return Effect.map(
          office.payments.pay({
            ...caller(action.user),
            reservationId: reservationOf(action.which, action.own ? action.user : undefined)
          }),
          ({ paymentId }) => payments.push(paymentId)
        )
      case "refund":
        return office.payments.refund({ paymentId: payments.at(-1 - action.which) ?? "none" })
      case "mode":
        return office.queue.setMode("main", action.mode)
      case "sweep":
        return Effect.provide(sweep, services)
      case "tick":
        return TestClock.adjust(action.ms)
    }
  }

  const performOne = (action: Action): Effect.Effect<Performed> =>
    Effect.map(Effect.result(act(action)), (result) => {
      if (Result.isFailure(result)) {
        // Refusals are answers; that the store fails is not.
        expect(result.failure).not.toHaveProperty("_tag", "StoreUnavailable")
        return { action, succeeded: false }
      }
      succeeded.set(action._tag, (succeeded.get(action._tag) ?? 0) + 1)
      return { action, succeeded: true }
    })

  const perform = (step: ReadonlyArray<Action>) =>
    Effect.forEach(step, performOne, { concurrency: "unbounded" })

  return { tokenIds, perform }
})

/** Checks all invariants, and keeps the values that must never decrease. */
const makeInspector = Effect.gen(function* () {
  const store = yield* BoxOfficeStore
  const { catalog } = yield* BoxOffice
  const versions = new Map<string, { version: number; seen: Map<number, string> }>()
  const positions = new Map<TokenId, number>()

  const inspectBookings = Effect.gen(function* () {
    for (const userId of buyers) {
      const wallet = yield* store.wallet(userId)
      const entries = yield* store.transfers(userId, { after: undefined, limit: 1_000 })
      const oldestFirst = entries.toReversed()
      let balance = 0n
      for (const [i, entry] of oldestFirst.entries()) {
        balance += entry.amount
        expect(entry.balance, `running balance of ${userId}`).toBe(balance)
        expect(balance, `balance of ${userId}`).toBeGreaterThanOrEqual(0n)
        expect(entry.version, `versions of ${userId}'s entries`).toBe(i + 1)
      }
      expect(wallet?.balance ?? 0n, `${userId}'s balance is the sum of entries`).toBe(balance)
      expect(wallet?.version ?? 0, `${userId}'s version counts entries`).toBe(entries.length)
    }

    const made = yield* Effect.forEach(buyers, (userId) =>
      store.reservations(userId, { after: undefined, limit: 1_000 })
    )
    const reservations = made.flatMap((reading) => reading.reservations)
    const transfers = (yield* Effect.forEach(buyers, (userId) =>
      store.transfers(userId, { after: undefined, limit: 1_000 })
    )).flat()
    for (const { reservationId, status, userId, amount } of reservations) {
      const about = transfers.filter((transfer) => transfer.reservationId === reservationId)
      const paid = about.filter((transfer) => transfer.kind === "payment")
      const refunded = about.filter((transfer) => transfer.kind === "refund")
      const name = `payments of a ${status} reservation`
      expect(paid.length, name).toBe(status === "confirmed" || status === "cancelled" ? 1 : 0)
      expect(refunded.length, name).toBe(status === "cancelled" ? 1 : 0)
      for (const transfer of about) {
        expect(transfer.userId, name).toBe(userId)
        expect(transfer.amount * (transfer.kind === "refund" ? 1n : -1n), name).toBe(amount.amount)
      }
    }

    for (const performanceId of performanceIds) {
      const { seats, now } = (yield* store.seats(performanceId))!
      const owners = new Map<string, string>()
      const owned = new Map<string, number>()
      for (const reservation of reservations) {
        if (reservation.performanceId !== performanceId) continue
        const status = reservationStatusAt(reservation, now)
        if (status !== "held" && status !== "confirmed") continue
        const { userId } = reservation
        owned.set(userId, (owned.get(userId) ?? 0) + reservation.seats.length)
        for (const { seatId } of reservation.seats) {
          expect(owners.has(seatId), `${seatId} has two owners`).toBe(false)
          owners.set(seatId, `${status === "held" ? "held" : "sold"} ${reservation.reservationId}`)
        }
      }
      for (const count of owned.values()) expect(count).toBeLessThanOrEqual(policies.seatsPerUser)
      for (const seat of seats) {
        const status = seatStatusAt(seat, now)
        expect(
          status === "available" ? undefined : `${status} ${seat.reservationId}`,
          `${seat.seatId} as its reservation says`
        ).toBe(owners.get(seat.seatId))
      }
    }
  })

  const inspectMaps = (performed: ReadonlyArray<Performed>) =>
    Effect.gen(function* () {
      // Actions that write seats, even if they restore them, or record a lapse late.
      const written = performed.some(
        ({ action, succeeded }) =>
          succeeded && ["hold", "release", "pay", "refund", "sweep"].includes(action._tag)
      )
      for (const performanceId of performanceIds) {
        const input = { userId: "anyone", performanceId, status: "all" as const }
        const { seats, version } = yield* catalog.availableSeats(input)
        const statuses = seats.map((seat) => seat.status).join()
        const stored = (yield* store.seats(performanceId))!
        const onSale = isOnSale(stored.performance, stored.now)
        const expected = stored.seats.map((seat) => {
          const status = seatStatusAt(seat, stored.now)
          return status === "available" && !onSale ? "blocked" : status
        })
        expect(statuses, "the map as it is stored").toBe(expected.join())
        const before = versions.get(performanceId) ?? { version, seen: new Map() }
        expect(version, "the version of a seat map").toBeGreaterThanOrEqual(before.version)
        const same = before.seen.get(version)
        expect(same ?? statuses, `statuses of version ${version}`).toBe(statuses)
        const phases = performed.some(({ action }) => action._tag === "tick") ? 2 : 0
        if (!written && before.seen.get(before.version) === statuses) {
          // Sales opening and closing count, even where no seat was left for them to show in.
          expect(version - before.version).toBeLessThanOrEqual(phases)
        }
        before.seen.set(version, statuses)
        versions.set(performanceId, { version, seen: before.seen })
      }
    })

  const inspectQueue = (tokenIds: ReadonlySet<TokenId>) =>
    Effect.gen(function* () {
      const readings = yield* store.readTokens(Array.from(tokenIds, (tokenId) => ({ tokenId })))
      const line = readings
        .map(({ token, ahead, now }) => ({ ...token!, ahead, now }))
        .sort((a, b) => Number(a.number - b.number))
      const numbers = line.map((token) => token.number)
      expect(numbers, "numbers without gap").toEqual(line.map((_, i) => BigInt(i + 1)))

      const inside = line.filter((token) => tokenStateAt(token, token.now) === "admitted")
      expect(inside.length, "inside at once").toBeLessThanOrEqual(settings.maxActive)
      const waiting = line.filter((token) => token.state === "waiting")
      const live = [...inside, ...waiting].map((token) => token.userId)
      expect(new Set(live).size, "one live token a user").toBe(live.length)

      const admissions = line.flatMap((token) => token.admittedAt ?? [])
      expect(admissions, "first come first served").toEqual(admissions.toSorted((a, b) => a - b))
      for (const end of admissions) {
        const within = admissions.filter((at) => at > end - 60_000 && at <= end)
        expect(within.length, "within 60 s").toBeLessThanOrEqual(settings.admitPerMinute)
      }
      for (const [i, token] of waiting.entries()) {
        expect(token.ahead, "ahead").toBe(i)
        expect(i, "a position never rises").toBeLessThanOrEqual(
          positions.get(token.tokenId) ?? Number.POSITIVE_INFINITY
        )
        positions.set(token.tokenId, i)
        const overtook = line.some((t) => t.number > token.number && t.admittedAt !== null)
        expect(overtook, "overtaken in line").toBe(false)
      }
      const queue = (yield* store.queue("main" as never))!
      expect([queue.waiting, queue.active]).toEqual([waiting.length, inside.length])
    })

  return { inspectBookings, inspectMaps, inspectQueue }
})

/** A world and a clock of its own for each history. */
const inWorld = Effect.provide(engine({ policies }).pipe(Layer.provideMerge(TestClock.layer())), {
  local: true
})
const options = {
  timeout: 60_000 + runs * 500,
  arbitrary: { runs, seed, size: 120, maxShrinks: 500 }
}

describe(`whatever happens (seed: ${seed}, runs: ${runs})`, () => {
  it.effect.prop(
    "no seat is sold twice, and no won is lost",
    [historyOf(Action)],
    ([history]) =>
      Effect.gen(function* () {
        yield* openWorld
        const actor = yield* makeActor
        const { inspectBookings, inspectMaps, inspectQueue } = yield* makeInspector
        for (const step of history) {
          const performed = yield* actor.perform(step)
          yield* inspectBookings
          yield* inspectMaps(performed)
          yield* inspectQueue(actor.tokenIds)
        }
      }).pipe(inWorld),
    options
  )

  it.effect.prop(
    "no user is overtaken, and no limit is passed",
    [historyOf(QueueAction)],
    ([history]) =>
      Effect.gen(function* () {
        yield* openWorld
        const actor = yield* makeActor
        const { inspectQueue } = yield* makeInspector
        for (const step of history) {
          yield* actor.perform(step)
          yield* inspectQueue(actor.tokenIds)
        }
      }).pipe(inWorld),
    options
  )

  afterAll(() => {
    if (process.env.STATS) console.log(succeeded)
    // The histories are worth nothing where hardly anything goes through.
    for (const { fields } of actions) {
      const name = fields._tag.schema.literal
      expect(succeeded.get(name) ?? 0, `${name} that succeeded`).toBeGreaterThan(runs / 30)
    }
  })
})

// Kept out of the histories above: the same store must not be shared by two worlds.
describe("the store in memory", () => {
  it.effect("is fresh each time that its layer is built", () =>
    Effect.gen(function* () {
      const count = Effect.gen(function* () {
        const { queue } = yield* BoxOffice
        yield* queue.create({ queueId: "main" })
        return (yield* queue.list({})).items.length
      })
      const once = count.pipe(Effect.provide(engine(), { local: true }))
      expect(yield* Effect.all([once, once])).toEqual([1, 1])
      expect(layerMemory).toBeDefined()
    })
  )
})
