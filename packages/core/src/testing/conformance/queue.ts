/**
 * The waiting room: one live token per user and queue, admitted in order and within both limits.
 */
import assert from "node:assert/strict"
import { Effect, Stream } from "effect"
import { v7 } from "uuid"
import type { QueueId, TokenId } from "../../Ids.ts"
import { Presence } from "../../queue/live/presence.ts"
import { verifyLottery } from "../../queue/lottery.ts"
import type { ConformanceTest } from "./harness.ts"
import { inWorld, krw, newSeats, refused, tally, times, type World } from "./world.ts"

const status = (world: World, caller: { readonly userId: string; readonly queueToken: string }) =>
  world.office.queue.status(caller)

export const queueTests: ReadonlyArray<ConformanceTest> = [
  inWorld("joining again returns the same token", {}, ({ office, queueId, user }) =>
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
  inWorld("users are admitted in the order of joining", { queue: { maxActive: 1 } }, (world) =>
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
      // Eve polls first, but Bob is in front.
      assert.equal((yield* status(world, eve)).position, 1)
      assert.equal((yield* status(world, bob)).state, "admitted")
      assert.equal((yield* status(world, ada)).state, "left")
      assert.equal((yield* office.queue.get(world.queueId)).active, 1)
    })
  ),
  inWorld(
    "an admitted user who misses the claim window expires, and the next user is admitted",
    { queue: { maxActive: 1, claimSeconds: 10, sessionSeconds: 60 } },
    (world) =>
      Effect.gen(function* () {
        const { office, join, passTime, sweep, queueId } = world
        const ada = yield* join("ada")
        const bob = yield* join("bob")
        const eve = yield* join("eve")
        yield* office.queue.leave(ada)
        // A sweep admits Bob, who does not poll within the claim window.
        yield* sweep
        assert.equal((yield* office.queue.get(queueId)).active, 1)
        yield* passTime(11_000)
        assert.equal((yield* status(world, eve)).state, "admitted")
        assert.equal((yield* status(world, bob)).state, "expired")
      })
  ),
  inWorld(
    "an idle session ends, calls extend a session, and admission goes on past both",
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
    "no more users are admitted than `admitPerMinute` allows",
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
  inWorld(
    "a crowd is admitted up to the limit and not beyond",
    { queue: { maxActive: 20 } },
    (world) =>
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
    "a paused queue admits no users, a draining one empties",
    { queue: { maxActive: 1 } },
    (world) =>
      Effect.gen(function* () {
        const { office, queueId, join, user } = world
        const ada = yield* join("ada")
        const bob = yield* join("bob")
        yield* office.queue.setMode(queueId, "paused")
        yield* refused("QueueClosed", office.queue.join({ queueId, userId: user("eve") }))
        // A user who waits already keeps the token.
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
  inWorld(
    "the gate refuses a waiting token with its position",
    { queue: { maxActive: 1 } },
    (world) =>
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
      const [unknown, known] = yield* store.readTokens([{ tokenId }, { tokenId, showId }])
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
  ),
  inWorld(
    "a code puts a user into the priority lane, which has its share of the turns",
    {
      queue: { maxActive: 1, prioritySharePercent: 50 }
    },
    (world) =>
      Effect.gen(function* () {
        const { office, queueId, join, user } = world
        const inside = yield* join("ada")
        const plain = yield* Effect.forEach(["p1", "p2"], join)
        yield* office.queue.addCodes({ queueId, codes: ["code-of-two"], uses: 2 })
        const withCode = (name: string, code = "code-of-two") =>
          office.queue.join({ queueId, userId: user(name), code })
        const quick = [yield* withCode("q1"), yield* withCode("q2")]
        assert.deepEqual(
          quick.map(({ position }) => position),
          [1, 2]
        )
        // A user with a live token needs no code, so joining again uses none up.
        assert.equal((yield* withCode("q1")).created, false)
        yield* refused("QueueCodeInvalid", withCode("q3"))
        yield* refused("QueueCodeInvalid", withCode("q4", "code-of-none"))
        yield* refused(
          "QueueNotFound",
          office.queue.addCodes({ queueId: "none", codes: ["code-of-x"] })
        )
        const tokens = new Map([
          ...plain.map((caller) => [caller.userId, caller] as const),
          ...quick.map(({ token }, i) => {
            const userId = user(`q${i + 1}`)
            return [userId, { userId, queueToken: token }] as const
          })
        ])
        const order: Array<string> = []
        let last = inside
        while (tokens.size > 0) {
          yield* office.queue.leave(last)
          for (const [userId, caller] of tokens) {
            if ((yield* status(world, caller)).state !== "admitted") continue
            order.push(userId)
            last = caller
            tokens.delete(userId)
          }
        }
        assert.deepEqual(order, ["p1", "q1", "p2", "q2"].map(user))
      })
  ),
  inWorld(
    "a queue that an operator closes expires its waiting tokens and never opens again",
    { queue: { maxActive: 1 } },
    (world) =>
      Effect.gen(function* () {
        const { office, queueId, join, user } = world
        const ada = yield* join("ada")
        const bob = yield* join("bob")
        assert.equal((yield* office.queue.setMode(queueId, "closed")).mode, "closed")
        assert.equal((yield* status(world, bob)).state, "expired")
        assert.equal((yield* status(world, ada)).state, "admitted")
        yield* office.wallet.balance(ada)
        yield* refused("QueueTokenExpired", office.wallet.balance(bob))
        yield* refused("QueueClosed", office.queue.join({ queueId, userId: user("bob") }))
        yield* refused("QueueClosed", office.queue.setMode(queueId, "open"))
        yield* office.queue.leave(ada)
        assert.equal((yield* status(world, bob)).state, "expired")
      })
  ),
  inWorld("users who join before the opening are drawn, and later ones follow", {}, (world) =>
    Effect.gen(function* () {
      const { office, user, passTime } = world
      const queueId = `${world.queueId}-draw`
      const { now } = (yield* world.store.readQueue(world.queueId, 0n))!
      const opensAt = new Date(now + 60_000)
      const sooner = new Date(now + 30_000)
      yield* office.queue.create({ queueId, opensAt: sooner, settings: { maxActive: 1 } })
      const made = yield* office.queue.reschedule(queueId, opensAt)
      assert.deepEqual(made.opening?.opensAt, opensAt)
      assert.deepEqual([made.opening?.seed, made.opening?.drawn], [null, null])
      assert.deepEqual(
        [made.mode, (yield* office.queue.notice(queueId)).mode],
        ["collecting", "collecting"]
      )
      assert.equal((yield* office.queue.setMode(queueId, "paused")).mode, "paused")
      assert.equal((yield* office.queue.setMode(queueId, "open")).mode, "collecting")
      const join = (name: string) => office.queue.join({ queueId, userId: user(name) })
      const early = yield* Effect.forEach(
        times(20, (i) => `e${i}`),
        join
      )
      const place = (i: number) => ({ userId: user(`e${i}`), queueToken: early[i]!.token })
      assert.deepEqual(
        early.map(({ state, position }) => [state, position]),
        times(20, () => ["waiting", 0])
      )
      assert.ok((yield* office.queue.status(place(3))).opensAt !== undefined)
      yield* office.queue.leave(place(7))
      yield* passTime(61_000)
      const late = yield* join("late")
      yield* refused("QueueAlreadyOpen", office.queue.reschedule(queueId, null))
      const { opening, mode } = yield* office.queue.get(queueId)
      assert.equal(mode, "open")
      assert.equal(opening!.commitment, made.opening!.commitment)
      const draw = { queueId: queueId as QueueId, seed: opening!.seed!, drawn: opening!.drawn! }
      const { kept, places } = verifyLottery(
        { ...draw, commitment: made.opening!.commitment },
        times(20, (i) => i + 1)
      )
      assert.ok(kept)
      // Each user's position follows from the drawn places of the users who have not left.
      const order = times(20, (i) => i)
        .filter((i) => i !== 7)
        .sort((a, b) => places[a]! - places[b]!)
      for (const [rank, i] of order.entries()) {
        const { state, position } = yield* office.queue.status(place(i))
        assert.deepEqual([state, position], rank === 0 ? ["admitted", 0] : ["waiting", rank])
      }
      assert.equal((yield* office.queue.status(place(7))).state, "left")
      const caller = { userId: user("late"), queueToken: late.token }
      assert.equal((yield* office.queue.status(caller)).position, 19)
    })
  ),
  inWorld("a refusal has the position that a poll shows, after a draw as well", {}, (world) =>
    Effect.gen(function* () {
      const { office, user, passTime, store } = world
      const [queueId, showId, performanceId] = [
        `${world.queueId}-drawn`,
        `${world.showId}-drawn`,
        `${world.performanceId}-drawn`
      ]
      const { now } = (yield* store.readQueue(world.queueId, 0n))!
      const opensAt = new Date(now + 60_000)
      yield* office.queue.create({ queueId, opensAt, settings: { maxActive: 1 } })
      const show = { showId, title: "A show", salesOpenAt: null, salesCloseAt: null }
      yield* office.catalog.addShow({ ...show, queueId })
      const performance = { performanceId, showId, timeZone: "Asia/Seoul" }
      yield* office.catalog.addPerformance({
        ...performance,
        startsAt: new Date("2999-12-31T10:30:00.000Z")
      })
      yield* office.catalog.addSeats({ performanceId, seats: newSeats(1) })
      const crowd = yield* Effect.forEach(times(20, String), (name) =>
        Effect.map(office.queue.join({ queueId, userId: user(name) }), ({ token }) => ({
          userId: user(name),
          queueToken: token
        }))
      )
      yield* Effect.forEach(crowd.slice(0, 5), office.queue.leave)
      yield* passTime(61_000)
      // The first poll opens the queue, and one user is admitted.
      const states = yield* Effect.forEach(crowd, office.queue.status)
      yield* Effect.forEach(
        crowd.slice(5, 8).filter((_, i) => states[5 + i]!.state === "waiting"),
        office.queue.leave
      )
      let waited = 0
      for (const caller of crowd.slice(8)) {
        const { state, position, ahead } = yield* office.queue.status(caller)
        if (state !== "waiting") continue
        const at = { ...caller, performanceId }
        const hold = office.reservations.hold({ ...at, seatIds: ["S1"] })
        const charge = office.wallet.charge({ ...caller, amount: krw(1_000n) })
        const pay = office.payments.pay({ ...caller, reservationId: v7() })
        const refusals = [
          yield* refused("QueueTokenWaiting", hold),
          yield* refused("QueueTokenWaiting", charge),
          yield* refused("QueueTokenWaiting", pay),
          yield* refused("QueueTokenWaiting", office.catalog.availableSeats(at))
        ]
        for (const refusal of refusals) {
          assert.deepEqual([refusal.position, refusal.ahead], [position, ahead])
        }
        waited++
      }
      assert.ok(waited >= 11)
    })
  ),
  inWorld("the store deletes tokens that ended long ago and keeps the others", {}, (world) =>
    Effect.gen(function* () {
      const { office, join, store, passTime } = world
      const [ada, bob, cyd] = [yield* join("ada"), yield* join("bob"), yield* join("cyd")]
      yield* office.queue.leave(ada)
      yield* passTime(100_000)
      yield* office.queue.leave(bob)
      while ((yield* store.clearTokens(50_000, 100)) > 0);
      yield* refused("QueueTokenInvalid", status(world, ada))
      assert.equal((yield* status(world, bob)).state, "left")
      assert.equal((yield* status(world, cyd)).state, "admitted")
      // A user whose token was deleted can join again.
      assert.equal(
        (yield* office.queue.join({ queueId: world.queueId, userId: ada.userId })).created,
        true
      )
    })
  ),
  inWorld(
    "a queue works with the largest settings that it can have",
    {
      queue: {
        maxActive: 2_147_483_647,
        admitPerMinute: 2_147_483_647,
        claimSeconds: 2_147_483_647,
        sessionSeconds: 2_147_483_647,
        absenceSeconds: 2_147_483_647
      }
    },
    ({ office, queueId, join, store, sweep }) =>
      Effect.gen(function* () {
        const ada = yield* join("ada")
        assert.equal((yield* office.queue.status(ada)).state, "admitted")
        yield* office.queue.setMode(queueId, "paused")
        yield* store.markSeen(queueId, [])
        yield* store.clearTokens(86_400_000, 100)
        yield* sweep
        yield* office.queue.leave(ada)
        assert.equal((yield* office.queue.get(queueId)).active, 0)
      })
  ),
  inWorld(
    "a user who was absent for too long loses the token when their turn comes, a present one keeps it",
    { queue: { maxActive: 1, absenceSeconds: 120, sessionSeconds: 3_600 } },
    (world) =>
      Effect.gen(function* () {
        const { office, queueId, join, store, passTime } = world
        const ada = yield* join("ada")
        const [away, here] = [yield* join("away"), yield* join("here")]
        const presence = new Presence()
        const entry = { lane: "general" as const, number: 3, issuedAt: 0 }
        for (let minute = 0; minute < 6; minute++) {
          // Flushes presence marks as a node does that `here` polls.
          presence.mark({ queueId, userId: here.userId as never, tokenId: "" as never, entry })
          yield* store.markSeen(queueId, presence.take())
          yield* passTime(59_000)
        }
        yield* office.queue.leave(ada)
        assert.equal((yield* status(world, here)).state, "admitted")
        assert.equal((yield* status(world, away)).state, "left")
        assert.equal((yield* office.queue.get(queueId)).waiting, 0)
      })
  ),
  inWorld(
    "a user who polls again before their turn keeps the token",
    { queue: { maxActive: 1, absenceSeconds: 120, sessionSeconds: 3_600 } },
    (world) =>
      Effect.gen(function* () {
        const { office, queueId, join, store, passTime } = world
        const ada = yield* join("ada")
        const back = yield* join("back")
        const presence = new Presence()
        const entry = { lane: "general" as const, number: 3, issuedAt: 0 }
        for (let minute = 0; minute < 6; minute++) {
          presence.mark({ queueId, userId: "here" as never, tokenId: "" as never, entry })
          yield* store.markSeen(queueId, presence.take())
          yield* passTime(59_000)
        }
        // The poll marks `back` as present on this node, which has yet to flush the mark.
        assert.equal((yield* status(world, back)).position, 1)
        yield* office.queue.leave(ada)
        assert.equal((yield* status(world, back)).state, "admitted")
      })
  )
]
