/** The data that each conformance test has for itself: one queue, one show, one performance. */
import assert from "node:assert/strict"
import { Effect, Layer, type Scope } from "effect"
import { v7 } from "uuid"
import { BoxOffice, layerOf } from "../../BoxOffice.ts"
import { BoxOfficeStore } from "../../BoxOfficeStore.ts"
import type { NewSeat } from "../../catalog/model.ts"
import type { PerformanceId, QueueId, SeatId, ShowId } from "../../Ids.ts"
import { type Money, money } from "../../Money.ts"
import type { PolicyOptions } from "../../policies/rules.ts"
import type { QueueSettings } from "../../policies/settings.ts"
import { sweep } from "../../Sweeper.ts"
import type { ConformanceHarness, ConformanceTest } from "./harness.ts"

export interface World {
  readonly harness: ConformanceHarness
  readonly store: BoxOfficeStore["Service"]
  readonly office: BoxOffice["Service"]
  readonly queueId: QueueId
  readonly showId: ShowId
  readonly performanceId: PerformanceId
  /** The id of a user of this test alone. */
  readonly user: (name: string) => string
  /** Joins the queue as a user; returns the caller fields that gated operations need. */
  readonly join: (
    name: string
  ) => Effect.Effect<{ readonly userId: string; readonly queueToken: string }, unknown>
  readonly charge: (
    caller: { readonly userId: string; readonly queueToken?: string },
    amount: bigint
  ) => Effect.Effect<bigint, unknown>
  readonly hold: (
    caller: { readonly userId: string; readonly queueToken?: string },
    ...seatIds: ReadonlyArray<string>
  ) => ReturnType<BoxOffice["Service"]["reservations"]["hold"]>
  readonly passTime: (milliseconds: number) => Effect.Effect<void, unknown>
  readonly sweep: Effect.Effect<number, unknown>
}

export interface WorldOptions {
  readonly policies?: Partial<PolicyOptions>
  readonly queue?: Partial<QueueSettings>
  /** The number of seats: `S1`, `S2`, …, each at 1,000 KRW. */
  readonly seats?: number
}

export const krw = (amount: bigint): Money => money(amount, "KRW")

export const newSeats = (count: number, from = 1): ReadonlyArray<NewSeat> =>
  Array.from({ length: count }, (_, i) => ({
    seatId: `S${from + i}` as SeatId,
    section: "Stalls",
    row: String(1 + Math.floor(i / 10)),
    number: String(1 + (i % 10)),
    price: krw(1_000n)
  }))

const makeWorld = (
  harness: ConformanceHarness,
  options: WorldOptions
): Effect.Effect<World, unknown, Scope.Scope> =>
  Effect.gen(function* () {
    const mark = v7().replaceAll("-", "")
    const { store } = harness
    const storeLayer = Layer.succeed(BoxOfficeStore, store)
    const context = yield* Layer.build(
      layerOf({
        signingKeys: { test: "conformance conformance conformance" },
        // These tests move the store's clock without the engine, so the engine must not cache.
        policies: { catalogMaxAgeMs: 0, gateMaxAgeMs: 0, queueMaxAgeMs: 0, ...options.policies }
      }).pipe(Layer.provideMerge(storeLayer))
    )
    const office = yield* Effect.provideContext(BoxOffice, context)
    const queueId = `q-${mark}` as QueueId
    const showId = `show-${mark}` as ShowId
    const performanceId = `perf-${mark}` as PerformanceId
    yield* office.queue.create({ queueId, settings: options.queue })
    yield* office.catalog.addShow({
      showId,
      title: "A show",
      queueId,
      salesOpenAt: null,
      salesCloseAt: null
    })
    yield* office.catalog.addPerformance({
      performanceId,
      showId,
      startsAt: new Date("2999-12-31T10:30:00.000Z"),
      timeZone: "Asia/Seoul"
    })
    yield* office.catalog.addSeats({ performanceId, seats: newSeats(options.seats ?? 10) })

    const user = (name: string) => `${name}-${mark}`
    return {
      harness,
      store,
      office,
      queueId,
      showId,
      performanceId,
      user,
      join: (name) =>
        Effect.map(office.queue.join({ queueId, userId: user(name) }), ({ token }) => ({
          userId: user(name),
          queueToken: token
        })),
      charge: (caller, amount) =>
        Effect.map(
          office.wallet.charge({ ...caller, amount: krw(amount) }),
          (charged) => charged.balance.amount
        ),
      hold: (caller, ...seatIds) => office.reservations.hold({ ...caller, performanceId, seatIds }),
      passTime: harness.passTime,
      sweep: Effect.provideContext(sweep, context)
    }
  })

/** A conformance test with a world of its own. */
export const inWorld = (
  name: string,
  options: WorldOptions,
  test: (world: World) => Effect.Effect<void, unknown>
): ConformanceTest => ({
  name,
  run: (harness) => Effect.scoped(Effect.flatMap(makeWorld(harness, options), test))
})

/** The tagged error that an operation is refused with. If it succeeds, the test fails. */
const refusal = <A, E>(operation: Effect.Effect<A, E>): Effect.Effect<E> =>
  Effect.matchEffect(operation, {
    onFailure: (error) => Effect.succeed(error),
    onSuccess: (value) =>
      Effect.die(new Error(`expected a refusal, got ${JSON.stringify(value, bigintsAsText)}`))
  })

/** Asserts that an operation is refused with an error of this tag, and returns the error. */
export const refused = <A, E extends { readonly _tag: string }, Tag extends E["_tag"]>(
  tag: Tag,
  operation: Effect.Effect<A, E>
): Effect.Effect<Extract<E, { readonly _tag: Tag }>> =>
  Effect.map(refusal(operation), (error) => {
    assert.equal(error._tag, tag)
    return error as Extract<E, { readonly _tag: Tag }>
  })

/**
 * Runs operations concurrently: the results of those that succeeded, and the count of each error
 * tag.
 */
export const tally = <A, E extends { readonly _tag: string }>(
  operations: ReadonlyArray<Effect.Effect<A, E>>
): Effect.Effect<{ readonly succeeded: ReadonlyArray<A>; readonly tags: Record<string, number> }> =>
  Effect.map(Effect.all(operations.map(Effect.result), { concurrency: "unbounded" }), (results) => {
    const succeeded: Array<A> = []
    const tags: Record<string, number> = {}
    for (const result of results) {
      if (result._tag === "Success") succeeded.push(result.success)
      else tags[result.failure._tag] = (tags[result.failure._tag] ?? 0) + 1
    }
    return { succeeded, tags }
  })

export const times = <A>(count: number, make: (index: number) => A): Array<A> =>
  Array.from({ length: count }, (_, index) => make(index))

const bigintsAsText = (_key: string, value: unknown) =>
  typeof value === "bigint" ? value.toString() : value
