import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { expect } from "vitest"
import {
  BoxOffice,
  type BoxOfficeOptions,
  layerOf,
  type QueueSettings,
  RequestInvalid
} from "../src/index.ts"
import { layerMemory, testStart, won } from "../src/testing.ts"

export const signingKeys = { k1: "a secret of at least thirty-two bytes" }

/** Prints a measurement if `STATS=1`. */
export const note = (text: string): void => {
  if (process.env.STATS) console.log(text)
}

/** The engine over a store in memory, on the clock of the test. */
export const engine = (options: Partial<BoxOfficeOptions> = {}) =>
  layerOf({
    signingKeys,
    ...options,
    policies: { queueMaxAgeMs: 0, ...options.policies }
  }).pipe(Layer.provideMerge(layerMemory))

/** The ids of the seats, at 110,000 won each. */
export const seatIds = ["A1", "A2", "A3", "A4"] as const

/** The catalogue of every test: the show `gala` behind the queue `main`, on sale. */
export const gala = {
  show: {
    showId: "gala",
    title: "Gala",
    queueId: "main",
    salesOpenAt: null,
    salesCloseAt: null
  },
  performance: {
    performanceId: "gala-1",
    showId: "gala",
    startsAt: new Date("2030-02-01T10:00:00Z"),
    timeZone: "Asia/Seoul"
  },
  seats: {
    performanceId: "gala-1",
    seats: seatIds.map((seatId: string, i) => ({
      seatId,
      section: "A",
      row: "1",
      number: String(i + 1),
      price: won(110_000)
    }))
  }
}

/** Sets the clock, fills the catalogue, and returns the engine with a few helpers. */
export const openOffice = Effect.fnUntraced(function* (
  settings: Partial<QueueSettings> = {},
  currency = "KRW"
) {
  yield* TestClock.setTime(testStart)
  const office = yield* BoxOffice
  yield* office.queue.create({ queueId: "main", settings })
  yield* office.catalog.addShow(gala.show)
  yield* office.catalog.addPerformance(gala.performance)
  const { performanceId, seats } = gala.seats
  yield* office.catalog.addSeats({
    performanceId,
    seats: seats.map((seat) => ({ ...seat, price: { ...seat.price, currency } }))
  })
  return {
    ...office,
    /** Joins the queue; with room in it the caller is admitted. */
    caller: (userId: string, queueId = "main") =>
      Effect.map(office.queue.join({ queueId, userId }), ({ token }) => ({
        userId,
        queueToken: token
      })),
    balanceOf: (userId: string) =>
      Effect.map(
        office.wallet.entries({ userId, limit: 1 }),
        ({ items }) => items[0]?.balance.amount ?? 0n
      )
  }
})

/** The paths of the problems that an input is refused for, each path once. */
export const problems = <A, E>(effect: Effect.Effect<A, E>) =>
  Effect.map(Effect.flip(effect), (error) => {
    expect(error).toBeInstanceOf(RequestInvalid)
    return [...new Set((error as unknown as RequestInvalid).errors.map(({ path }) => path))]
  })

/** Pseudo-random numbers from 0 to 1, the same for the same seed (mulberry32). */
export const randomFrom = (seed: number) => () => {
  seed = (seed + 0x6d2b79f5) | 0
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed)
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
}
