import { describe, it } from "@effect/vitest"
import { Cause, Deferred, Effect, Exit, Fiber, Latch, Scope } from "effect"
import { expect } from "vitest"
import { Overloaded, StoreUnavailable } from "../src/Errors.ts"
import { type BatcherOptions, makeBatcher, makeBatchers } from "../src/engine/Batcher.ts"
import { realPause } from "../src/engine/realPause.ts"
import type { RowLocks } from "../src/engine/WaitingCommands.ts"

// The clock of `it.effect` is never moved here: a lane that waited for a timer would hang.

/** A lane whose batches wait until they are let go, and which keeps them for us to look at. */
const heldLane = Effect.fnUntraced(function* (
  options: Partial<Pick<BatcherOptions<number, string>, "capacity" | "batchSize">> & {
    readonly outcome?: (batch: ReadonlyArray<number>) => Effect.Effect<void, StoreUnavailable>
  } = {}
) {
  const batches: Array<ReadonlyArray<number>> = []
  const gate = yield* Latch.make(false)
  const started = Array.from({ length: 9 }, () => Deferred.makeUnsafe<void>())
  const scope = yield* Scope.make()
  const lane = yield* makeBatcher<number, string>({
    capacity: 100,
    batchSize: 100,
    ...options,
    run: (batch) =>
      Effect.gen(function* () {
        batches.push(batch)
        Deferred.doneUnsafe(started[batches.length - 1]!, Exit.void)
        yield* gate.await
        if (options.outcome) yield* options.outcome(batch)
        return batch.map((command) => `done ${command}`)
      })
  }).pipe(Scope.provide(scope))
  return {
    batches,
    submit: lane.submit,
    /** Submits, and comes back once the command waits. */
    fork: (command: number) => Effect.forkChild(lane.submit(command), { startImmediately: true }),
    started: (batch: number) => Deferred.await(started[batch]!),
    letGo: gate.open,
    close: Scope.close(scope, Exit.void)
  }
})

const away = new StoreUnavailable({ retryable: true, cause: "away" })
const refused = new StoreUnavailable({ retryable: false, cause: "refused" })
/** What a caller gets: the answer, the error or the defect. */
const ending = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<unknown> =>
  Effect.map(Effect.exit(effect), (exit) =>
    Exit.isSuccess(exit) ? exit.value : Cause.squash(exit.cause)
  )

const overloaded = new Overloaded({ retryAfterSeconds: 1 })

describe("a lane", () => {
  it.effect("takes a command at once when idle", () =>
    Effect.gen(function* () {
      const lane = yield* heldLane()
      yield* lane.letGo
      expect(yield* lane.submit(1)).toBe("done 1")
      expect(yield* lane.submit(2)).toBe("done 2")
      expect(lane.batches).toEqual([[1], [2]])
    })
  )

  it.effect("gathers while one batch is in flight, and keeps the order", () =>
    Effect.gen(function* () {
      const lane = yield* heldLane()
      const first = yield* lane.fork(0)
      yield* lane.started(0)
      const others = yield* Effect.forEach([1, 2, 3, 4], lane.fork)
      expect(lane.batches).toEqual([[0]])
      yield* lane.letGo
      expect(yield* Fiber.joinAll([first, ...others])).toEqual([
        "done 0",
        "done 1",
        "done 2",
        "done 3",
        "done 4"
      ])
      expect(lane.batches).toEqual([[0], [1, 2, 3, 4]])
    })
  )

  it.effect("lets commands of the same turn travel together", () =>
    Effect.gen(function* () {
      const lane = yield* heldLane()
      yield* lane.letGo
      yield* Effect.forEach([1, 2, 3], lane.submit, { concurrency: "unbounded" })
      expect(lane.batches).toEqual([[1, 2, 3]])
    })
  )

  it.effect("takes at most batchSize at a time", () =>
    Effect.gen(function* () {
      const lane = yield* heldLane({ batchSize: 2 })
      yield* lane.letGo
      yield* Effect.forEach([1, 2, 3, 4, 5], lane.submit, { concurrency: "unbounded" })
      expect(lane.batches).toEqual([[1, 2], [3, 4], [5]])
    })
  )

  it.effect("has one batch in flight at most", () =>
    Effect.gen(function* () {
      let inFlight = 0
      let most = 0
      const lane = yield* makeBatcher<number, number>({
        capacity: 100,
        batchSize: 1,
        run: (batch) =>
          Effect.gen(function* () {
            most = Math.max(most, ++inFlight)
            yield* Effect.yieldNow
            inFlight--
            return batch
          })
      })
      yield* Effect.forEach([1, 2, 3, 4], lane.submit, { concurrency: "unbounded" })
      expect(most).toBe(1)
    })
  )

  it.effect("refuses what comes while capacity commands wait, and takes it again after", () =>
    Effect.gen(function* () {
      const lane = yield* heldLane({ capacity: 2 })
      const first = yield* lane.fork(0)
      yield* lane.started(0)
      // The one in flight does not wait any more.
      const waiting = [yield* lane.fork(1), yield* lane.fork(2)]
      expect(yield* Effect.flip(lane.submit(3))).toEqual(overloaded)
      yield* lane.letGo
      yield* Fiber.joinAll([first, ...waiting])
      expect(yield* lane.submit(4)).toBe("done 4")
      expect(lane.batches.flat()).toEqual([0, 1, 2, 4])
    })
  )

  it.effect("drops a command that was interrupted before a batch took it", () =>
    Effect.gen(function* () {
      const lane = yield* heldLane()
      const first = yield* lane.fork(0)
      yield* lane.started(0)
      const dropped = yield* lane.fork(1)
      const kept = yield* lane.fork(2)
      yield* Fiber.interrupt(dropped)
      yield* lane.letGo
      yield* Fiber.joinAll([first, kept])
      expect(lane.batches).toEqual([[0], [2]])
    })
  )

  it.effect("gives the place of an interrupted command to the next", () =>
    Effect.gen(function* () {
      const lane = yield* heldLane({ capacity: 1 })
      const first = yield* lane.fork(0)
      yield* lane.started(0)
      yield* Fiber.interrupt(yield* lane.fork(1))
      const second = yield* lane.fork(2)
      yield* lane.letGo
      expect(yield* Fiber.joinAll([first, second])).toEqual(["done 0", "done 2"])
    })
  )

  it.effect("runs no batch where all who waited were interrupted", () =>
    Effect.gen(function* () {
      const lane = yield* heldLane()
      const first = yield* lane.fork(0)
      yield* lane.started(0)
      yield* Fiber.interrupt(yield* lane.fork(1))
      yield* lane.letGo
      yield* Fiber.join(first)
      expect(yield* lane.submit(2)).toBe("done 2")
      expect(lane.batches).toEqual([[0], [2]])
    })
  )

  it.effect("carries through a command that was interrupted after a batch took it", () =>
    Effect.gen(function* () {
      const carriedOut: Array<number> = []
      const lane = yield* heldLane({
        outcome: (batch) => Effect.sync(() => carriedOut.push(...batch))
      })
      const interrupted = yield* lane.fork(1)
      const neighbour = yield* lane.fork(2)
      yield* lane.started(0)
      yield* Fiber.interrupt(interrupted)
      yield* lane.letGo
      expect(yield* Fiber.join(neighbour)).toBe("done 2")
      expect(carriedOut).toEqual([1, 2])
    })
  )

  it.effect("tells a bad command from its neighbours, which go through in order", () =>
    Effect.gen(function* () {
      const lane = yield* heldLane({
        outcome: (batch) => (batch.includes(3) ? Effect.fail(refused) : Effect.void)
      })
      yield* lane.letGo
      const endings = yield* Effect.forEach([1, 2, 3, 4, 5], (n) => ending(lane.submit(n)), {
        concurrency: "unbounded"
      })
      expect(endings).toEqual(["done 1", "done 2", refused, "done 4", "done 5"])
      expect(lane.batches).toEqual([[1, 2, 3, 4, 5], [1, 2], [3, 4, 5], [3], [4, 5]])
    })
  )

  it.effect("hands a defect to the command that has it alone", () =>
    Effect.gen(function* () {
      const lane = yield* heldLane({
        outcome: (batch) => (batch.includes(2) ? Effect.die("a bug") : Effect.void)
      })
      yield* lane.letGo
      const endings = yield* Effect.forEach([1, 2, 3], (n) => ending(lane.submit(n)), {
        concurrency: "unbounded"
      })
      expect(endings).toEqual(["done 1", "a bug", "done 3"])
    })
  )

  it.effect("fails all of a batch when the store is away, without trying each", () =>
    Effect.gen(function* () {
      const lane = yield* heldLane({ outcome: () => Effect.fail(away) })
      yield* lane.letGo
      const endings = yield* Effect.forEach([1, 2, 3], (n) => ending(lane.submit(n)), {
        concurrency: "unbounded"
      })
      expect(endings).toEqual([away, away, away])
      expect(lane.batches).toEqual([[1, 2, 3]])
    })
  )

  it.effect("goes on after a failure", () =>
    Effect.gen(function* () {
      let isAway = true
      const lane = yield* heldLane({
        outcome: () => (isAway ? Effect.fail(away) : Effect.void)
      })
      yield* lane.letGo
      expect(yield* Effect.flip(lane.submit(1))).toBe(away)
      isAway = false
      expect(yield* lane.submit(2)).toBe("done 2")
    })
  )

  it.effect("on closing refuses who waits and lets the batch in flight end", () =>
    Effect.gen(function* () {
      const lane = yield* heldLane()
      const flying = yield* lane.fork(0)
      yield* lane.started(0)
      const waiting = yield* lane.fork(1)
      const closing = yield* Effect.forkChild(lane.close, { startImmediately: true })
      expect(yield* Effect.flip(Fiber.join(waiting))).toEqual(overloaded)
      // Closing waits for the batch in flight.
      expect(closing.pollUnsafe()).toBeUndefined()
      yield* lane.letGo
      expect(yield* Fiber.join(flying)).toBe("done 0")
      yield* Fiber.join(closing)
      expect(lane.batches).toEqual([[0]])
    })
  )

  it.effect("refuses everything once closed", () =>
    Effect.gen(function* () {
      const lane = yield* heldLane()
      yield* lane.close
      expect(yield* Effect.flip(lane.submit(1))).toEqual(overloaded)
      expect(lane.batches).toEqual([])
    })
  )
})

describe("lanes side by side", () => {
  it.effect("keep a key to one lane, and let other keys by", () =>
    Effect.gen(function* () {
      // Eight keys on as many batchers: at least two of them differ.
      const keys = ["a", "b", "c", "d", "e", "f", "g", "h"]
      const done: Array<string> = []
      const gate = yield* Latch.make(false)
      const began = yield* Deferred.make<void>()
      const lanes = yield* makeBatchers<string, string>({
        capacity: 100,
        batchSize: 1,
        batchers: 8,
        keyOf: (command) => command[0]!,
        run: (batch) =>
          Effect.gen(function* () {
            if (batch[0] === "a1") {
              yield* Deferred.succeed(began, undefined)
              yield* gate.await
            }
            done.push(...batch)
            return batch
          })
      })
      const held = yield* Effect.forkChild(
        Effect.forEach(["a1", "a2", "a3"], lanes.submit, { concurrency: "unbounded" })
      )
      yield* Deferred.await(began)
      // Whichever of the others is first to be done has passed by the one that is held.
      yield* Effect.raceAll(keys.slice(1).map((key) => lanes.submit(`${key}1`)))
      expect(done.filter((command) => command.startsWith("a"))).toEqual([])
      yield* gate.open
      yield* Fiber.join(held)
      expect(done.filter((command) => command.startsWith("a"))).toEqual(["a1", "a2", "a3"])
    })
  )

  it.effect("spread keys over all of the lanes", () =>
    Effect.gen(function* () {
      const batches: Array<ReadonlyArray<number>> = []
      const lanes = yield* makeBatchers<number, number>({
        capacity: 1_000,
        batchSize: 1_000,
        batchers: 4,
        keyOf: (command) => `user-${command}`,
        run: (batch) => {
          batches.push(batch)
          return Effect.succeed(batch)
        }
      })
      const commands = Array.from({ length: 400 }, (_, i) => i)
      yield* Effect.forEach(commands, lanes.submit, { concurrency: "unbounded" })
      expect(batches).toHaveLength(4)
      for (const batch of batches) expect(batch.length).toBeGreaterThan(50)
    })
  )
})

describe("a batcher that meets a locked row", () => {
  const busy = new StoreUnavailable({ retryable: true, cause: "locked", isBusy: true })

  /** A store whose rows are the commands' numbers. `unlock` ends the lock of one of them. */
  const withLocks = Effect.fnUntraced(function* (
    locked: ReadonlyArray<number>,
    knows: (row: number) => boolean = () => true
  ) {
    const held = new Set(locked)
    let holder = 1
    const brief: Array<string> = []
    const waits: Array<boolean> = []
    const batches: Array<ReadonlyArray<string>> = []
    const scope = yield* Scope.make()
    const rowOf = (command: string) => Number.parseInt(command, 10)
    const batcher = yield* makeBatcher<string, string>({
      capacity: 100,
      batchSize: 100,
      locks: {
        rowsOf: (command) => new Set([String(rowOf(command))]),
        insertsOf: (command) => new Set([String(rowOf(command))]),
        lockedRows: (commands) =>
          Effect.sync(() => {
            const rows = commands.map(rowOf).filter((row) => held.has(row) && knows(row))
            return new Map(rows.map((row) => [String(row), String(holder)]))
          })
      },
      run: (batch, waitsBriefly) =>
        Effect.suspend(() => {
          batches.push(batch)
          if (waitsBriefly) brief.push(...batch)
          waits.push(waitsBriefly)
          return batch.some((command) => held.has(rowOf(command)))
            ? Effect.fail(busy)
            : Effect.succeed(batch)
        })
    }).pipe(Scope.provide(scope))
    return {
      batches,
      /** Commands of batches that waited briefly for locks. */
      brief,
      /** Of each batch, whether it waited briefly. */
      waits,
      submit: batcher.submit,
      fork: (command: string) =>
        Effect.forkChild(batcher.submit(command), { startImmediately: true }),
      lock: (row: number) => void held.add(row),
      unlock: (row: number) => void held.delete(row),
      /** Another transaction takes over what is locked. */
      handOver: () => void holder++,
      close: Scope.close(scope, Exit.void)
    }
  })

  /** A batcher whose commands lock, and insert, the row of their first letter. */
  const byLetter = (
    run: BatcherOptions<string, string>["run"],
    lockedRows: RowLocks<string>["lockedRows"] = () => Effect.succeed(new Map())
  ) => {
    const rowsOf = (command: string) => new Set([command[0]!])
    const locks = { rowsOf, insertsOf: rowsOf, lockedRows }
    return makeBatcher({ capacity: 100, batchSize: 100, locks, run })
  }

  it.effect("runs the others at once, and those that wait first once the row is free", () =>
    Effect.gen(function* () {
      const { batches, fork, submit, unlock } = yield* withLocks([1])
      const waiting = [yield* fork("1a"), yield* fork("1b")]
      expect(yield* submit("2a")).toBe("2a")
      expect(batches).toEqual([["1a", "1b", "2a"], ["2a"]])
      // Later ones that need the row wait behind them, and cost no other batch a try.
      const later = yield* fork("1c")
      expect(yield* submit("3a")).toBe("3a")
      expect(batches.at(-1)).toEqual(["3a"])
      unlock(1)
      yield* Fiber.joinAll([...waiting, later])
      expect(batches.at(-1)).toEqual(["1a", "1b", "1c"])
    })
  )

  it.effect("takes each as its own row gets free", () =>
    Effect.gen(function* () {
      const { fork, unlock } = yield* withLocks([1, 2])
      const [first, second] = [yield* fork("1a"), yield* fork("2a")]
      yield* Effect.yieldNow
      unlock(2)
      expect(yield* Fiber.join(second)).toBe("2a")
      expect(first.pollUnsafe()).toBeUndefined()
      unlock(1)
      expect(yield* Fiber.join(first)).toBe("1a")
    })
  )

  it.effect("waits for the full time for a row that changes hands again and again", () =>
    Effect.gen(function* () {
      const { fork, handOver, unlock, waits } = yield* withLocks([1])
      const waiting = yield* fork("1a")
      // It stays locked, and yet the batcher runs it: in a database it waits for its turn there.
      const waitsFullyAgain = () => waits.slice(1).includes(false)
      yield* Effect.callback<void>((resume) => {
        const timer = setInterval(() => {
          handOver()
          if (!waitsFullyAgain()) return
          clearInterval(timer)
          unlock(1)
          resume(Effect.void)
        }, 5)
      })
      expect(yield* Fiber.join(waiting)).toBe("1a")
      // A few brief waits come before, since most rows are free soon.
      expect(waits.slice(0, 5)).toEqual([false, true, true, true, false])
    })
  )

  it.effect("waits briefly after a locked row, and so meets the next one without a full wait", () =>
    Effect.gen(function* () {
      const { brief, fork, lock, submit, unlock } = yield* withLocks([1])
      const first = yield* fork("1a")
      expect(yield* submit("9a")).toBe("9a")
      lock(2)
      const second = yield* fork("2a")
      expect(yield* submit("9b")).toBe("9b")
      expect(brief).toContain("2a")
      unlock(1)
      unlock(2)
      expect(yield* Fiber.joinAll([first, second])).toEqual(["1a", "2a"])
    })
  )

  it.effect("keeps commands of a locked row in their order while it changes hands", () =>
    Effect.gen(function* () {
      const { batches, fork, handOver, submit, unlock } = yield* withLocks([1])
      const fibers: Array<Fiber.Fiber<string, unknown>> = []
      for (let n = 0; n < 10; n++) {
        fibers.push(yield* fork(`1-${n}`))
        expect(yield* submit(`9-${n}`)).toBe(`9-${n}`)
        handOver()
      }
      unlock(1)
      yield* Fiber.joinAll(fibers)
      const last = batches.at(-1)!
      expect(last).toEqual(Array.from({ length: 10 }, (_, n) => `1-${n}`))
    })
  )

  it.effect("answers the others, and refuses the command whose locked row is not shown", () =>
    Effect.gen(function* () {
      const { submit } = yield* withLocks([3], () => false)
      const endings = yield* Effect.forEach(["1a", "2a", "3a", "4a"], (c) => ending(submit(c)), {
        concurrency: "unbounded"
      })
      expect(endings).toEqual(["1a", "2a", busy, "4a"])
    })
  )

  it.effect("keeps the order of commands whose row it could not find, and refuses none", () =>
    Effect.gen(function* () {
      let isHeld = true
      const gate = yield* Latch.make(true)
      const done: Array<string> = []
      const batcher = yield* byLetter((batch) =>
        Effect.andThen(
          gate.await,
          Effect.suspend(() => {
            if (isHeld && batch.some((command) => command.startsWith("x"))) {
              return Effect.fail(busy)
            }
            done.push(...batch)
            return Effect.succeed(batch)
          })
        )
      )
      expect(yield* Effect.flip(batcher.submit("x"))).toBe(busy)
      yield* gate.close
      const commands = Array.from({ length: 40 }, (_, n) => `x${n}`)
      const fibers: Array<Fiber.Fiber<string, unknown>> = []
      for (const command of commands) {
        fibers.push(yield* Effect.forkChild(batcher.submit(command), { startImmediately: true }))
        for (let turn = 0; turn < 5; turn++) yield* Effect.yieldNow
      }
      isHeld = false
      yield* gate.open
      expect(yield* Fiber.joinAll(fibers)).toEqual(commands)
      expect(done).toEqual(commands)
    })
  )

  it.effect(
    "keeps the order when the lock that is not shown ends in the middle of the search",
    () =>
      Effect.gen(function* () {
        const done: Array<string> = []
        let isHeld = true
        const batcher = yield* byLetter((batch) =>
          Effect.suspend(() => {
            if (isHeld && batch.some((command) => command.startsWith("x"))) {
              // Right after the first of them has been tried alone.
              if (batch.length === 1) isHeld = false
              return Effect.fail(busy)
            }
            done.push(...batch)
            return Effect.succeed(batch)
          })
        )
        const commands = ["x1", "x2", "y1", "x3"]
        yield* Effect.forEach(commands, batcher.submit, { concurrency: "unbounded" })
        expect(done).toEqual(["y1", "x1", "x2", "x3"])
      })
  )

  it.effect("keeps the order when a bad command of the batch has it bisected", () =>
    Effect.gen(function* () {
      const done: Array<string> = []
      let isHeld = false
      const batcher = yield* byLetter(
        (batch) =>
          Effect.suspend(() => {
            if (batch.length === 4) {
              isHeld = true
              return Effect.die("a bad command")
            }
            if (isHeld && batch.some((command) => command.startsWith("x"))) return Effect.fail(busy)
            done.push(...batch)
            return Effect.succeed(batch)
          }),
        // The lock ends right after the batcher has asked.
        () =>
          Effect.sync(() => {
            const locked = isHeld ? [["x", "1"] as const] : []
            isHeld = false
            return new Map(locked)
          })
      )
      const commands = ["x1", "y1", "x2", "y2"]
      yield* Effect.forEach(commands, batcher.submit, { concurrency: "unbounded" })
      expect(done).toEqual(["y1", "y2", "x1", "x2"])
    })
  )

  it.effect("tries alone for a row whose lock is not shown, and not among the others", () =>
    Effect.gen(function* () {
      const { batches, fork, submit, unlock } = yield* withLocks([1], () => false)
      const stuck = yield* fork("1a")
      yield* submit("2a")
      // The search is over: from now on its command is in no batch of others.
      const searched = batches.length
      let others = 0
      while (!batches.slice(searched).some((batch) => batch.includes("1a"))) {
        yield* submit(`${3 + (others++ % 5)}a`)
        yield* realPause(20)
      }
      unlock(1)
      yield* Effect.exit(Fiber.join(stuck))
      const withOthers = batches.slice(searched).filter((batch) => batch.length > 1)
      expect(withOthers.filter((batch) => batch.includes("1a"))).toEqual([])
    })
  )

  it.effect("keeps the order of commands that insert no row, and waits for their lock", () =>
    Effect.gen(function* () {
      const done: Array<string> = []
      let isHeld = true
      const rowsOf = (command: string) => new Set([command[0]!])
      const batcher = yield* makeBatcher<string, string>({
        capacity: 100,
        batchSize: 100,
        locks: {
          rowsOf,
          insertsOf: () => new Set(),
          lockedRows: () => Effect.succeed(new Map())
        },
        run: (batch) =>
          Effect.suspend(() => {
            if (isHeld && batch.some((command) => command.startsWith("x"))) return Effect.fail(busy)
            done.push(...batch)
            return Effect.succeed(batch)
          })
      })
      // As a table that is locked as a whole for a moment.
      setTimeout(() => {
        isHeld = false
      }, 300)
      yield* Effect.forEach(["x1", "y1", "x2", "x3"], batcher.submit, { concurrency: "unbounded" })
      expect(done).toEqual(["y1", "x1", "x2", "x3"])
    })
  )

  it.effect("keeps places for others when many commands wait for one row", () =>
    Effect.gen(function* () {
      const { fork, submit, unlock } = yield* withLocks([1])
      yield* fork("1a")
      yield* submit("2a")
      const waiting = yield* Effect.forEach(Array.from({ length: 98 }), () => fork("1b"))
      const refused = yield* Effect.forEach(waiting.slice(49), (fiber) => Fiber.await(fiber))
      expect(refused.every(Exit.isFailure)).toBe(true)
      expect(yield* submit("3a")).toBe("3a")
      unlock(1)
      yield* Fiber.joinAll(waiting.slice(0, 49))
    })
  )

  it.effect(
    "gives half of the capacity back that came for a row before it was known as locked",
    () =>
      Effect.gen(function* () {
        const { fork, submit, unlock } = yield* withLocks([1])
        const waiting = yield* Effect.forEach(
          Array.from({ length: 90 }, () => "1a"),
          fork
        )
        expect(yield* submit("2a")).toBe("2a")
        const refused = yield* Effect.forEach(waiting.slice(50), (fiber) => Fiber.await(fiber))
        expect(refused.every(Exit.isFailure)).toBe(true)
        for (let n = 0; n < 45; n++) expect(yield* submit("3a")).toBe("3a")
        unlock(1)
        yield* Fiber.joinAll(waiting.slice(0, 50))
      })
  )

  it.effect("isolates locked rows that a slow statement waited for one after the other", () =>
    Effect.gen(function* () {
      const slow = new StoreUnavailable({ retryable: true, cause: "slow", isSlow: true })
      let shows = true
      let isHeld = true
      const batcher = yield* byLetter(
        (batch) =>
          Effect.suspend(() =>
            isHeld && batch.some((command) => command.startsWith("x"))
              ? Effect.fail(slow)
              : Effect.succeed(batch)
          ),
        () => Effect.sync(() => new Map(shows && isHeld ? [["x", "1"]] : []))
      )
      const stuck = yield* Effect.forkChild(batcher.submit("x1"), { startImmediately: true })
      expect(yield* batcher.submit("y1")).toBe("y1")
      isHeld = false
      expect(yield* Fiber.join(stuck)).toBe("x1")
      // A store that is slow, and shows no lock, fails the batch: nothing is searched for.
      shows = false
      isHeld = true
      const both = yield* Effect.all(
        [Effect.flip(batcher.submit("x2")), Effect.flip(batcher.submit("y2"))],
        { concurrency: "unbounded" }
      )
      expect(both).toEqual([slow, slow])
    })
  )

  it.effect("does not run a command again whose caller was interrupted meanwhile", () =>
    Effect.gen(function* () {
      const started = yield* Deferred.make<void>()
      const gate = yield* Latch.make(false)
      const done: Array<string> = []
      let isHeld = true
      const batcher = yield* byLetter(
        (batch) =>
          Effect.gen(function* () {
            yield* Deferred.succeed(started, undefined)
            yield* gate.await
            if (isHeld && batch.some((command) => command.startsWith("x"))) return yield* busy
            done.push(...batch)
            return batch
          }),
        () => Effect.sync(() => new Map(isHeld ? [["x", "1"]] : []))
      )
      const gone = yield* Effect.forkChild(batcher.submit("x1"), { startImmediately: true })
      const other = yield* Effect.forkChild(batcher.submit("y1"), { startImmediately: true })
      yield* Deferred.await(started)
      yield* Fiber.interrupt(gone)
      yield* gate.open
      yield* Fiber.join(other)
      isHeld = false
      yield* batcher.submit("x2")
      expect(done).toEqual(["y1", "x2"])
    })
  )

  it.effect("goes on after what it runs has thrown", () =>
    Effect.gen(function* () {
      let throws = true
      const batcher = yield* byLetter((batch) => {
        if (throws) throw new Error("no plan")
        return Effect.succeed(batch)
      })
      expect(Exit.isFailure(yield* Effect.exit(batcher.submit("x1")))).toBe(true)
      throws = false
      expect(yield* batcher.submit("x2")).toBe("x2")
    })
  )

  it.effect("refuses those that wait for a row when it closes, and ends", () =>
    Effect.gen(function* () {
      const { close, fork } = yield* withLocks([1])
      const waiting = yield* fork("1a")
      yield* Effect.yieldNow
      yield* close
      expect(yield* Effect.flip(Fiber.join(waiting))).toEqual(overloaded)
    })
  )

  it.effect("drops a command that waits for a row when its caller is interrupted", () =>
    Effect.gen(function* () {
      const { batches, fork, submit, unlock } = yield* withLocks([1])
      const waiting = yield* fork("1a")
      expect(yield* submit("2a")).toBe("2a")
      yield* Fiber.interrupt(waiting)
      unlock(1)
      expect(yield* submit("1b")).toBe("1b")
      expect(batches.flat().filter((command) => command === "1a")).toHaveLength(1)
    })
  )
})
