/** Admissions after a draw, the shares of the lanes, and the status of tokens before an opening. */
import assert from "node:assert/strict"
import { Effect, Stream } from "effect"
import type { QueueId } from "../../Ids.ts"
import type { QueueSettings } from "../../policies/settings.ts"
import type { ConformanceTest } from "./harness.ts"
import { inWorld, times, type World } from "./world.ts"

type Caller = { readonly userId: string; readonly queueToken: string }

const code = "first-in-line"

/** A queue that opens with a draw in a minute, and how to join it. */
const collecting = Effect.fnUntraced(function* (world: World, settings: Partial<QueueSettings>) {
  const { office, store, user } = world
  const queueId = user("drawn") as QueueId
  const { now } = (yield* store.readQueue(world.queueId, 0n))!
  const opensAt = new Date(now + 60_000)
  yield* office.queue.create({ queueId, opensAt, settings })
  yield* office.queue.addCodes({ queueId, codes: [code], uses: 10_000 })
  const join = (name: string, lane: "general" | "priority" = "general") =>
    office.queue
      .join({ queueId, userId: user(name), code: lane === "priority" ? code : undefined })
      .pipe(Effect.map(({ token }): Caller => ({ userId: user(name), queueToken: token })))
  const crowd = (lane: "general" | "priority", size: number) =>
    Effect.all(
      times(size, (n) => join(`${lane}${n}`, lane)),
      { concurrency: "unbounded" }
    )
  return { queueId, opensAt, join, crowd, open: world.passTime(61_000) }
})

/** Sweeps until nothing is due. */
const settle = ({ sweep }: World) =>
  Effect.gen(function* () {
    for (let round = 0; round < 20; round++) if ((yield* sweep) === 0) return
  })

const stateOf = (world: World, caller: Caller) =>
  Effect.map(world.office.queue.status(caller), ({ state }) => state)

const inside = Effect.fnUntraced(function* (world: World, callers: ReadonlyArray<Caller>) {
  const states = yield* Effect.all(
    callers.map((caller) => stateOf(world, caller)),
    { concurrency: 50 }
  )
  return callers.filter((_, i) => states[i] === "admitted")
})

/** Tests how many tokens of each lane are admitted if both lanes have the same number waiting. */
const shares = (
  name: string,
  settings: Partial<QueueSettings>,
  crowdOf: number,
  expected: readonly [general: number, priority: number]
): ConformanceTest =>
  inWorld(name, {}, (world) =>
    Effect.gen(function* () {
      const { crowd, open } = yield* collecting(world, { admitPerMinute: 10_000, ...settings })
      const [general, priority] = [
        yield* crowd("general", crowdOf),
        yield* crowd("priority", crowdOf)
      ]
      yield* open
      yield* settle(world)
      const admitted = [yield* inside(world, general), yield* inside(world, priority)]
      assert.deepEqual(
        admitted.map(({ length }) => length),
        expected
      )
    })
  )

export const fairnessTests: ReadonlyArray<ConformanceTest> = [
  inWorld(
    "users who join after a draw are admitted even if the last drawn ones left",
    {},
    (world) =>
      Effect.gen(function* () {
        const { office } = world
        const { join, open } = yield* collecting(world, { maxActive: 1 })
        const drawn = yield* Effect.forEach(["u1", "u2", "u3"], (name) => join(name))
        yield* open
        yield* settle(world)
        const [first] = yield* inside(world, drawn)
        for (const caller of drawn) if (caller !== first) yield* office.queue.leave(caller)
        const late = [yield* join("late1"), yield* join("late2")]
        yield* office.queue.leave(first!)
        yield* settle(world)
        assert.equal(yield* stateOf(world, late[0]!), "admitted")
        assert.equal((yield* office.queue.status(late[1]!)).position, 1)
        yield* office.queue.leave(late[0]!)
        yield* settle(world)
        assert.equal(yield* stateOf(world, late[1]!), "admitted")
      })
  ),
  shares(
    "after a draw the lanes share the admissions by the setting: half each",
    { maxActive: 20, prioritySharePercent: 50 },
    50,
    [10, 10]
  ),
  shares(
    "after a draw the lanes share the admissions by the setting: a tenth",
    { maxActive: 20, prioritySharePercent: 10 },
    50,
    [18, 2]
  ),
  inWorld("after a draw the lanes share the room that leaving users make, too", {}, (world) =>
    Effect.gen(function* () {
      const { office } = world
      const settings = { maxActive: 20, prioritySharePercent: 25, admitPerMinute: 10_000 }
      const { crowd, open } = yield* collecting(world, settings)
      const lanes = [yield* crowd("general", 60), yield* crowd("priority", 60)]
      yield* open
      yield* settle(world)
      const admittedByLane = [0, 0]
      for (let round = 0; round < 3; round++) {
        const admitted = [yield* inside(world, lanes[0]!), yield* inside(world, lanes[1]!)]
        for (const [lane, callers] of admitted.entries()) admittedByLane[lane]! += callers.length
        if (round === 2) break
        for (const caller of admitted.flat()) yield* office.queue.leave(caller)
        yield* settle(world)
      }
      assert.deepEqual(admittedByLane, [45, 15])
    })
  ),
  inWorld(
    "the lanes share the room that a raised limit makes",
    { queue: { maxActive: 1, prioritySharePercent: 25, admitPerMinute: 10_000 } },
    (world) =>
      Effect.gen(function* () {
        const { office, queueId, join, user } = world
        yield* office.queue.addCodes({ queueId, codes: [code], uses: 1_000 })
        yield* join("first")
        const general = yield* Effect.forEach(times(80, String), (n) => join(`general${n}`))
        const priority = yield* Effect.forEach(times(80, String), (n) =>
          office.queue
            .join({ queueId, userId: user(`priority${n}`), code })
            .pipe(Effect.map(({ token }) => ({ userId: user(`priority${n}`), queueToken: token })))
        )
        yield* office.queue.configure(queueId, { maxActive: 61 })
        yield* settle(world)
        const admitted = [yield* inside(world, general), yield* inside(world, priority)]
        assert.deepEqual(
          admitted.map(({ length }) => length),
          [45, 15]
        )
      })
  ),
  inWorld("closing a queue before it opens expires the waiting tokens of both lanes", {}, (world) =>
    Effect.gen(function* () {
      const { office } = world
      const { queueId, crowd, open } = yield* collecting(world, {})
      const callers = [...(yield* crowd("general", 40)), ...(yield* crowd("priority", 3))]
      yield* office.queue.setMode(queueId, "closed")
      for (const caller of callers) assert.equal(yield* stateOf(world, caller), "expired")
      yield* settle(world)
      for (const caller of callers) assert.equal(yield* stateOf(world, caller), "expired")
      assert.equal((yield* office.queue.get(queueId)).waiting, 0)
      const changes = yield* Stream.runCollect(office.queue.changes(callers[0]!))
      assert.deepEqual(
        changes.map(({ state }) => state),
        ["expired"]
      )
      yield* open
      yield* settle(world)
      const closed = yield* office.queue.get(queueId)
      assert.deepEqual([closed.mode, closed.opening!.openedAt], ["closed", null])
    })
  ),
  inWorld("the sweeper ends the waiting tokens of a closed queue without a poll", {}, (world) =>
    Effect.gen(function* () {
      const { office } = world
      const { queueId, crowd, open } = yield* collecting(world, {})
      yield* crowd("priority", 40)
      yield* office.queue.setMode(queueId, "closed")
      yield* settle(world)
      assert.equal((yield* office.queue.get(queueId)).waiting, 0)
      yield* open
      // The queue is not due any more. Other tests may have queues that are.
      const { queues } = yield* world.store.lapsed(1_000)
      assert.ok(!queues.includes(queueId))
    })
  ),
  inWorld(
    "before the opening, users of both lanes see when it is, and no estimated wait",
    {},
    (world) =>
      Effect.gen(function* () {
        const { office, user } = world
        const { queueId, opensAt, join, crowd } = yield* collecting(world, {})
        yield* crowd("priority", 2)
        const joined = yield* office.queue.join({ queueId, userId: user("ada"), code })
        const polled = yield* office.queue.status({ userId: user("ada"), queueToken: joined.token })
        for (const status of [joined, polled]) {
          assert.deepEqual([status.position, status.ahead, status.estimatedWait], [3, 2, null])
          assert.deepEqual(status.opensAt, opensAt)
          assert.ok(status.pollAfterSeconds > 5)
        }
        const bob = yield* office.queue.status(yield* join("bob"))
        assert.deepEqual([bob.position, bob.opensAt], [0, opensAt])
      })
  ),
  inWorld("a user who joins again after the opening does not see the opening", {}, (world) =>
    Effect.gen(function* () {
      const { office, user } = world
      const { queueId, crowd, open } = yield* collecting(world, { maxActive: 1 })
      yield* Effect.forEach(yield* crowd("general", 3), office.queue.status)
      yield* open
      const again = yield* Effect.forEach(times(3, String), (n) =>
        office.queue.join({ queueId, userId: user(`general${n}`) })
      )
      assert.equal(again.filter(({ state }) => state === "waiting").length, 2)
      for (const status of again) assert.equal(status.opensAt, undefined)
    })
  ),
  inWorld(
    "a keyed join has the position of a user who joined after the node read the queue",
    { queue: { maxActive: 1 }, policies: { queueMaxAgeMs: 60_000 } },
    (world) =>
      Effect.gen(function* () {
        const { office, queueId, join, user } = world
        yield* join("inside")
        const others = yield* Effect.forEach(times(4, String), (n) => join(`other${n}`))
        for (const other of others.slice(0, 3)) yield* office.queue.leave(other)
        yield* office.queue.status(others[3]!)
        const { position } = yield* office.queue.join({ queueId, userId: user("ada") })
        const again = { queueId, userId: user("ada"), idempotencyKey: "k1" }
        const first = yield* office.queue.join(again)
        assert.deepEqual([position, first.position], [2, 2])
        assert.deepEqual(yield* office.queue.join(again), first)
      })
  ),
  inWorld(
    "a keyed join of a waiting user returns the recorded position again",
    { queue: { maxActive: 1 } },
    (world) =>
      Effect.gen(function* () {
        const { office, queueId, join, user } = world
        yield* join("inside")
        const others = yield* Effect.forEach(times(12, String), (n) => join(`other${n}`))
        yield* join("ada")
        for (const other of others.slice(0, 8)) yield* office.queue.leave(other)
        const again = { queueId, userId: user("ada"), idempotencyKey: "k1" }
        const first = yield* office.queue.join(again)
        assert.equal(first.position, 5)
        assert.deepEqual(yield* office.queue.join(again), first)
        yield* office.queue.leave(others[9]!)
        assert.deepEqual(yield* office.queue.join(again), first)
      })
  )
]
