/**
 * Compares the positions that two nodes show with a plain list of the waiting users: random
 * histories of joins of either lane, departures, purchases, draws and time, with polls of either
 * node in between.
 *
 * A position is that of the list as of `asOf`, which is at most a refresh ago. On one node it never
 * rises; nor across nodes, for a user who polls no sooner than the poll delay.
 */
import { afterAll, describe, it } from "@effect/vitest"
import { Arbitrary, Effect, Layer, Result, Schema } from "effect"
import { TestClock } from "effect/testing"
import { expect } from "vitest"
import {
  BoxOffice,
  BoxOfficeStore,
  layerOf,
  type QueueTokenStatus,
  type TokenId
} from "../src/index.ts"
import { isPreOpening, placeOf } from "../src/queue/position.ts"
import { layerMemory, testStart } from "../src/testing.ts"
import { gala, signingKeys } from "./support.ts"

const seed = process.env.SEED ?? "places"
const runs = Number(process.env.RUNS ?? 80)

const users = Array.from({ length: 12 }, (_, i) => `u${i}`)
const settings = { maxActive: 2, admitPerMinute: 8, claimSeconds: 10, sessionSeconds: 30 }
// More than a second, so that a hint of a second would be too soon.
const queueMaxAgeMs = 2_500
const opensAfterMs = 8_000

const below = (n: number) => Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: n - 1 }))
const somebody = { user: below(users.length), node: below(2) }
const poll = Schema.TaggedStruct("poll", somebody)
const join = Schema.TaggedStruct("join", { ...somebody, code: Schema.Boolean })
const tick = Schema.TaggedStruct("tick", {
  ms: Schema.Literals([1, 400, 1_000, 2_499, 2_500, 9_000])
})
const actions = [
  join,
  poll,
  Schema.TaggedStruct("leave", somebody),
  Schema.TaggedStruct("buy", somebody),
  Schema.TaggedStruct("advance", { node: below(2) }),
  tick
] as const
const Action = Schema.Union([
  ...actions,
  join,
  join,
  join,
  poll,
  poll,
  poll,
  poll,
  poll,
  tick,
  tick
])
type Action = typeof Action.Type
const histories = Arbitrary.array(Arbitrary.schema(Action), { maxLength: 150 })

/** How often each was so, over all histories: so that no test passes by seeing nothing. */
const seen = new Map<string, number>()
const count = (what: string) => seen.set(what, (seen.get(what) ?? 0) + 1)

interface Told {
  readonly at: number
  readonly node: number
  readonly status: QueueTokenStatus
}

/** One store, and two nodes over it. */
const openWorld = Effect.fnUntraced(function* (draws: boolean) {
  yield* TestClock.setTime(testStart)
  const store = yield* Effect.provideContext(BoxOfficeStore, yield* Layer.build(layerMemory))
  const policies = { queueMaxAgeMs, gate: [] }
  const startNode = Effect.gen(function* () {
    const layer = layerOf({ signingKeys, policies }).pipe(
      Layer.provide(Layer.succeed(BoxOfficeStore, store))
    )
    return yield* Effect.provideContext(BoxOffice, yield* Layer.build(layer))
  })
  const nodes = [yield* startNode, yield* startNode] as const
  const [{ queue, catalog }] = nodes
  const opensAt = draws ? new Date(testStart + opensAfterMs) : undefined
  yield* queue.create({ queueId: "main", settings, opensAt })
  yield* queue.addCodes({ queueId: "main", codes: ["open-sesame"], uses: 20 })
  yield* catalog.addShow(gala.show)
  yield* catalog.addPerformance(gala.performance)
  const [seat] = gala.seats.seats
  const price = { ...seat!.price, amount: 1n }
  const seats = Array.from({ length: 60 }, (_, i) => ({ ...seat!, seatId: `S${i}`, price }))
  yield* catalog.addSeats({ ...gala.seats, seats })
  for (const userId of users) {
    yield* nodes[0].wallet.charge({ userId, amount: { ...price, amount: 100n } })
  }
  return { store, nodes }
})

const play = Effect.fnUntraced(function* (history: ReadonlyArray<Action>, draws: boolean) {
  const { store, nodes } = yield* openWorld(draws)
  const tokens = new Map<number, { readonly queueToken: string; readonly tokenId: TokenId }>()
  /** Positions of all waiting users from an instant on; 0 before the draw. */
  const line: Array<{ readonly at: number; readonly positions: Map<TokenId, number> }> = []
  const answers = new Map<TokenId, Array<Told>>()
  let now = testStart
  let nextSeat = 0

  const note = Effect.gen(function* () {
    const tokenIds = Array.from(tokens.values(), ({ tokenId }) => tokenId)
    const readings = yield* store.readTokens(tokenIds.map((tokenId) => ({ tokenId })))
    const queue = (yield* store.queue("main" as never))!
    // Counted here: a store counts those too who left from in front of a drawn token.
    const waiting = readings.flatMap(({ token }) => (token?.state === "waiting" ? [token] : []))
    const positions = new Map<TokenId, number>()
    for (const { tokenId, lane, number } of waiting) {
      const place = placeOf(queue, lane, number)
      const ahead = waiting.filter(
        (other) => other.lane === lane && placeOf(queue, lane, other.number) < place
      )
      const placed = lane === "priority" || !isPreOpening(queue)
      positions.set(tokenId, placed ? ahead.length + 1 : 0)
    }
    line.push({ at: now, positions })
  })

  /** The positions of a token by the list from one instant to another, both included. */
  const positionsWithin = (tokenId: TokenId, from: number, to: number) => {
    const first = line.findLastIndex(({ at }) => at < from)
    return line
      .slice(Math.max(0, first))
      .filter(({ at }) => at <= to)
      .map(({ positions }) => positions.get(tokenId))
  }

  const hear = (node: number, tokenId: TokenId, status: QueueTokenStatus) => {
    const within = positionsWithin(tokenId, now - queueMaxAgeMs, now)
    if (status.state !== "waiting") {
      count(status.state)
      expect(
        within.every((position) => position !== undefined),
        "waits all the while"
      ).toBe(false)
      return
    }
    const asOf = status.asOf?.getTime() ?? now
    expect(asOf).toBeGreaterThan(now - queueMaxAgeMs)
    expect(positionsWithin(tokenId, asOf, asOf), "as of then").toContain(status.position)
    expect(status.pollAfterSeconds * 1_000).toBeGreaterThanOrEqual(queueMaxAgeMs)

    const before = answers.get(tokenId) ?? []
    for (const told of before) {
      if (told.status.position === 0) continue
      const rose = status.position > told.status.position
      if (told.node === node) expect(rose, "rises on one node").toBe(false)
      if (now >= told.at + told.status.pollAfterSeconds * 1_000) {
        count("asked in time")
        expect(rose, "rises though asked in time").toBe(false)
      }
    }
    if (status.position > 0) count(draws ? "placed by draw or after" : "placed")
    answers.set(tokenId, [...before, { at: now, node, status }])
  }

  const act = (action: Action): Effect.Effect<unknown, unknown> => {
    if (action._tag === "tick") {
      now += action.ms
      return TestClock.adjust(action.ms)
    }
    const { queue, reservations, payments } = nodes[action.node]!
    if (action._tag === "advance") return queue.advance("main" as never)
    const userId = users[action.user]!
    if (action._tag === "join") {
      const code = action.code ? "open-sesame" : undefined
      return Effect.gen(function* () {
        const { token: queueToken, ...status } = yield* queue.join({
          queueId: "main",
          userId,
          code
        })
        const claims = JSON.parse(Buffer.from(queueToken.split(".")[2]!, "base64url").toString())
        tokens.set(action.user, { queueToken, tokenId: claims[2] })
        yield* note
        hear(action.node, claims[2], status)
      })
    }
    const token = tokens.get(action.user)
    if (token === undefined) return Effect.void
    const caller = { userId, queueToken: token.queueToken }
    switch (action._tag) {
      case "leave":
        return queue.leave(caller)
      case "buy":
        return Effect.gen(function* () {
          const { state } = yield* queue.status(caller)
          if (state !== "admitted") return
          const seatIds = [`S${nextSeat++}`]
          const held = yield* reservations.hold({ userId, performanceId: "gala-1", seatIds })
          yield* payments.pay({ ...caller, reservationId: held.reservationId })
          count("bought")
        })
      case "poll":
        return Effect.gen(function* () {
          const status = yield* queue.status(caller)
          // The poll may have admitted a user.
          yield* note
          hear(action.node, token.tokenId, status)
        })
    }
  }

  yield* note
  for (const action of history) {
    const result = yield* Effect.result(act(action))
    if (Result.isFailure(result)) {
      expect(result.failure).toMatchObject({ _tag: "QueueCodeInvalid" })
      count("refused")
    }
    yield* note
  }
})

/** A clock of its own for each history. */
const inWorld = Effect.provide(TestClock.layer(), { local: true })
const options = {
  timeout: 60_000 + runs * 500,
  arbitrary: { runs, seed, size: 150, maxShrinks: 300 }
}

/** Joins on a node; returns the caller with the queue token. */
const joining =
  ({ queue }: BoxOffice["Service"]) =>
  (userId: string) =>
    Effect.map(queue.join({ queueId: "main", userId }), ({ token }) => ({
      userId,
      queueToken: token
    }))

describe(`positions that two nodes show (seed: ${seed}, runs: ${runs})`, () => {
  for (const draws of [false, true]) {
    it.effect.prop(
      draws ? "are those of a plain list that was drawn" : "are those of a plain list",
      [histories],
      ([history]) => Effect.scoped(play(history, draws)).pipe(inWorld),
      options
    )
  }

  it.effect("can be a refresh old if a user polls another node too soon, and no older", () =>
    Effect.gen(function* () {
      const { nodes } = yield* openWorld(false)
      const [one, other] = nodes
      const [, , first, second, third] = yield* Effect.forEach(users.slice(0, 5), joining(one))
      const asked = Effect.map(other.queue.status(third!), ({ position }) => position)
      expect(yield* asked).toBe(3)
      yield* one.queue.leave(first!)
      const told = yield* one.queue.status(third!)
      expect(told).toMatchObject({ position: 2, pollAfterSeconds: 3 })
      yield* TestClock.adjust(queueMaxAgeMs - 1)
      expect(yield* asked).toBe(3)
      yield* TestClock.adjust(1)
      expect(yield* asked).toBe(2)
      // The next change shows in time, too, if the user polls after the poll delay.
      yield* one.queue.leave(second!)
      yield* one.queue.status(third!)
      yield* TestClock.adjust(1_000 * told.pollAfterSeconds)
      expect(yield* asked).toBe(1)
    }).pipe(Effect.scoped, inWorld)
  )

  it.effect("stop and move again as an operator says, on every node within a refresh", () =>
    Effect.gen(function* () {
      const { nodes } = yield* openWorld(false)
      const [one, other] = nodes
      const [, , next] = yield* Effect.forEach(users.slice(0, 3), joining(one))
      expect((yield* other.queue.status(next!)).state).toBe("waiting")
      const modeOn = ({ queue }: typeof one) => Effect.map(queue.notice("main"), ({ mode }) => mode)

      yield* one.queue.setMode("main", "paused")
      // A join is decided in the store, so the pause applies to it at once.
      const joined = yield* Effect.flip(other.queue.join({ queueId: "main", userId: "late" }))
      expect(joined).toMatchObject({ _tag: "QueueClosed", mode: "paused" })
      yield* one.queue.configure("main", { maxActive: 3 })
      expect([yield* modeOn(one), yield* modeOn(other)]).toEqual(["paused", "open"])
      yield* TestClock.adjust(queueMaxAgeMs)
      expect(yield* modeOn(other)).toBe("paused")
      expect((yield* other.queue.status(next!)).state).toBe("waiting")

      yield* one.queue.setMode("main", "open")
      yield* TestClock.adjust(queueMaxAgeMs)
      expect((yield* other.queue.status(next!)).state).toBe("admitted")
      yield* one.queue.setMode("main", "closed")
      const late = yield* Effect.flip(other.queue.join({ queueId: "main", userId: "late" }))
      expect(late).toMatchObject({ mode: "closed" })
    }).pipe(Effect.scoped, inWorld)
  )

  afterAll(() => {
    if (process.env.STATS) console.log(seen)
    for (const what of [
      "placed",
      "placed by draw or after",
      "admitted",
      "left",
      "bought",
      "asked in time"
    ]) {
      expect(seen.get(what) ?? 0, what).toBeGreaterThan(0)
    }
  })
})
