/** The waiting room: one place a user, first come first served, within both limits. */
import assert from "node:assert/strict"
import { Effect, Stream } from "effect"
import type { TokenId } from "../../Ids.ts"
import type { ConformanceTest } from "../conformance.ts"
import { inWorld, refused, tally, times, type World } from "./world.ts"

const status = (world: World, caller: { readonly userId: string; readonly queueToken: string }) =>
  world.office.queue.status(caller)

export const queueTests: ReadonlyArray<ConformanceTest> = [
  inWorld("joining again gives the same place", {}, ({ office, queueId, user }) =>
    Effect.gen(function* () {
      const first = yield* office.queue.join({ queueId, userId: user("ada") })
      const second = yield* office.queue.join({ queueId, userId: user("ada") })
      assert.equal(first.created, true)
      assert.equal(first.state, "admitted")
      assert.deepEqual({ ...second, created: true, expiresAt: first.expiresAt }, first)
      assert.equal(second.created, false)
    })
  ),
  inWorld("200 joins of one user at once make one token", {}, ({ office, queueId, user }) =>
    Effect.gen(function* () {
      const joins = times(200, () => office.queue.join({ queueId, userId: user("ada") }))
      const { succeeded } = yield* tally(joins)
      assert.equal(succeeded.length, 200)
      assert.equal(new Set(succeeded.map((joined) => joined.token)).size, 1)
      assert.equal(succeeded.filter((joined) => joined.created).length, 1)
    })
  ),
  inWorld("the line is first come first served", { queue: { maxActive: 1 } }, (world) =>
    Effect.gen(function* () {
      const { office, join } = world
      const ada = yield* join("ada")
      const bob = yield* join("bob")
      const eve = yield* join("eve")
      assert.equal((yield* status(world, ada)).state, "admitted")
      assert.deepEqual(
        [yield* status(world, bob), yield* status(world, eve)].map((s) => [s.position, s.ahead]),
        [
          [1, 0],
          [2, 1]
        ]
      )
      yield* office.queue.leave(ada)
      // Eve asks first, but Bob is in front.
      assert.equal((yield* status(world, eve)).position, 1)
      assert.equal((yield* status(world, bob)).state, "admitted")
      assert.equal((yield* status(world, ada)).state, "left")
      assert.equal((yield* office.queue.get(world.queueId)).active, 1)
    })
  ),
  inWorld(
    "an admitted user who never shows up gives the place to the next",
    { queue: { maxActive: 1, claimSeconds: 10, sessionSeconds: 60 } },
    (world) =>
      Effect.gen(function* () {
        const { office, join, passTime, sweep, queueId } = world
        const ada = yield* join("ada")
        const bob = yield* join("bob")
        const eve = yield* join("eve")
        yield* office.queue.leave(ada)
        // Bob is let in by a sweep, and does not know.
        yield* sweep
        assert.equal((yield* office.queue.get(queueId)).active, 1)
        yield* passTime(11_000)
        assert.equal((yield* status(world, eve)).state, "admitted")
        assert.equal((yield* status(world, bob)).state, "expired")
      })
  ),
  inWorld(
    "an idle session ends, a used one goes on, and admission goes on past both",
    { queue: { maxActive: 1, sessionSeconds: 60 } },
    (world) =>
      Effect.gen(function* () {
        const { office, join, passTime } = world
        const ada = yield* join("ada")
        const bob = yield* join("bob")
        yield* passTime(40_000)
        yield* office.wallet.balance(ada)
        yield* passTime(40_000)
        yield* office.wallet.balance(ada)
        assert.equal((yield* status(world, bob)).state, "waiting")
        yield* passTime(61_000)
        yield* refused("QueueTokenExpired", office.wallet.balance(ada))
        assert.equal((yield* status(world, bob)).state, "admitted")
        // Ada joins again, at the end of the line.
        const again = yield* join("ada")
        assert.notEqual(again.queueToken, ada.queueToken)
        assert.equal((yield* status(world, again)).position, 1)
      })
  ),
  inWorld(
    "no more are let in than fit within a minute",
    { queue: { admitPerMinute: 3 } },
    (world) =>
      Effect.gen(function* () {
        const { join, passTime } = world
        const callers = yield* Effect.forEach(times(7, String), (name) => join(name))
        const states = Effect.map(
          Effect.forEach(callers, (caller) => status(world, caller)),
          (all) => all.map((s) => s.state)
        )
        const admitted = (count: number) => times(7, (i) => (i < count ? "admitted" : "waiting"))
        assert.deepEqual(yield* states, admitted(3))
        yield* passTime(30_000)
        assert.deepEqual(yield* states, admitted(3))
        yield* passTime(31_000)
        assert.deepEqual(yield* states, admitted(6))
      })
  ),
  inWorld("a crowd is let in to the limit and not beyond", { queue: { maxActive: 20 } }, (world) =>
    Effect.gen(function* () {
      const { office, queueId, user } = world
      const joins = times(200, (i) => office.queue.join({ queueId, userId: user(String(i)) }))
      const { succeeded } = yield* tally(joins)
      assert.equal(succeeded.filter((joined) => joined.state === "admitted").length, 20)
      const positions = succeeded.filter((j) => j.state === "waiting").map((j) => j.position)
      assert.deepEqual(
        positions.toSorted((a, b) => a - b),
        times(180, (i) => i + 1)
      )
      const queue = yield* office.queue.get(queueId)
      assert.deepEqual([queue.active, queue.waiting], [20, 180])
    })
  ),
  inWorld(
    "a paused queue lets nobody in, a draining one empties",
    { queue: { maxActive: 1 } },
    (world) =>
      Effect.gen(function* () {
        const { office, queueId, join, user } = world
        const ada = yield* join("ada")
        const bob = yield* join("bob")
        yield* office.queue.setMode(queueId, "paused")
        yield* refused("QueueClosed", office.queue.join({ queueId, userId: user("eve") }))
        // Who is in the line already keeps the place.
        assert.equal((yield* office.queue.join({ queueId, userId: user("bob") })).created, false)
        yield* office.queue.leave(ada)
        assert.equal((yield* status(world, bob)).state, "waiting")
        yield* office.queue.setMode(queueId, "draining")
        yield* refused("QueueClosed", office.queue.join({ queueId, userId: user("eve") }))
        assert.equal((yield* status(world, bob)).state, "admitted")
        yield* office.queue.setMode(queueId, "open")
        assert.equal((yield* office.queue.join({ queueId, userId: user("eve") })).state, "waiting")
      })
  ),
  inWorld("settings change while the queue runs", { queue: { maxActive: 1 } }, (world) =>
    Effect.gen(function* () {
      const { office, queueId, join } = world
      yield* join("ada")
      const bob = yield* join("bob")
      const changed = yield* office.queue.configure(queueId, { maxActive: 2 })
      assert.equal(changed.settings.maxActive, 2)
      assert.equal((yield* status(world, bob)).state, "admitted")
    })
  ),
  inWorld("the gate refuses a waiting token with its place", { queue: { maxActive: 1 } }, (world) =>
    Effect.gen(function* () {
      const { office, join, hold, performanceId } = world
      yield* join("ada")
      const bob = yield* join("bob")
      const eve = yield* join("eve")
      const atHold = yield* refused("QueueTokenWaiting", hold(eve, "S1"))
      const atRead = yield* refused(
        "QueueTokenWaiting",
        office.catalog.availableSeats({ ...eve, performanceId })
      )
      assert.deepEqual([atHold.position, atRead.position], [2, 2])
      assert.equal((yield* refused("QueueTokenWaiting", hold(bob, "S1"))).position, 1)
    })
  ),
  inWorld("a token of another queue, or of no queue, is refused", {}, (world) =>
    Effect.gen(function* () {
      const { office, queueId, showId, user, hold, store } = world
      const other = `${queueId}-2`
      yield* office.queue.create({ queueId: other })
      const userId = user("ada")
      const { token } = yield* office.queue.join({ queueId: other, userId })
      const caller = { userId, queueToken: token }
      const error = yield* refused("QueueTokenWrongQueue", hold(caller, "S1"))
      assert.equal(error.requiredQueueId, queueId)
      yield* refused("QueueTokenWrongQueue", office.catalog.availableDates({ ...caller, showId }))
      yield* office.wallet.balance(caller)
      const tokenId = "00000000-0000-7000-8000-000000000000" as TokenId
      const [unknown, known] = yield* store.gates([{ tokenId }, { tokenId, showId }])
      assert.deepEqual([unknown!.token, unknown!.requiredQueueId], [undefined, undefined])
      assert.deepEqual([known!.token, known!.requiredQueueId], [undefined, queueId])
    })
  ),
  inWorld("changes are streamed until the token has ended", {}, (world) =>
    Effect.gen(function* () {
      const { office, join } = world
      const ada = yield* join("ada")
      yield* office.queue.leave(ada)
      const seen = yield* Stream.runCollect(office.queue.changes(ada))
      assert.deepEqual(
        Array.from(seen, (s) => s.state),
        ["left"]
      )
    })
  )
]
