/** Consuming events by promises: `for await`, and how it ends. */
import { Effect, Exit, Fiber, Latch, Layer, Option, Scope, Stream } from "effect"
import { expect, test } from "vitest"
import {
  BoxOfficeStore,
  type ConsumerStatus,
  EventFeed,
  type EventType,
  makeBoxOffice,
  type RecordedEvent,
  StoreUnavailable
} from "../src/index.ts"
import { layerMemory, won } from "../src/testing.ts"
import { signingKeys } from "./support.ts"

const open = async (store = layerMemory) => {
  const office = await makeBoxOffice(store, { signingKeys, policies: { gate: [] } })
  return {
    office,
    charge: (amount: number) => office.wallet.charge({ userId: "ada", amount: won(amount) }),
    /** Consumes until a number of events have come. */
    take: async (count: number, consumer = "mailer") => {
      const seen: Array<RecordedEvent> = []
      const stop = new AbortController()
      for await (const recorded of office.events.consume(consumer, { signal: stop.signal })) {
        seen.push(recorded)
        if (seen.length === count) stop.abort()
      }
      return seen.map(amountOf)
    }
  }
}

const amountOf = ({ event }: RecordedEvent): number =>
  event._tag === "WalletCharged" ? Number(event.amount.amount) : Number.NaN

test("the loop gets past events, then waits for new ones; aborting ends it", async () => {
  const { office, charge } = await open()
  await charge(1)
  const stop = new AbortController()
  const seen: Array<number> = []
  for await (const recorded of office.events.consume("mailer", { signal: stop.signal })) {
    seen.push(amountOf(recorded))
    if (seen.length < 3) await charge(seen.length + 1)
    else stop.abort()
  }
  expect(seen).toEqual([1, 2, 3])
  await office.close()
})

test("aborting ends the loop with this turn, however many events are buffered", async () => {
  const { office, charge, take } = await open()
  for (const amount of [1, 2, 3]) await charge(amount)
  expect(await take(1)).toEqual([1])
  expect((await office.events.consumers())[0]?.batchesBehind).toBe(2)
  expect(await take(2)).toEqual([2, 3])
  await office.close()
})

test("a signal that was aborted before consumes nothing; one that is aborted while waiting ends it", async () => {
  const { office } = await open()
  for await (const _ of office.events.consume("mailer", { signal: AbortSignal.abort() })) {
    throw new Error("nothing was to come")
  }
  const stop = new AbortController()
  const waiting = (async () => {
    for await (const _ of office.events.consume("mailer", { signal: stop.signal })) return "came"
    return "ended"
  })()
  const status = async (): Promise<ConsumerStatus | undefined> =>
    (await office.events.consumers())[0]
  await expect.poll(async () => (await status())?.active).toBe(true)
  stop.abort()
  expect(await waiting).toBe("ended")
  expect((await status())?.active).toBe(false)
  await office.close()
})

test("an event whose turn ends in break, or throws, comes again; one that was followed does not", async () => {
  const { office, charge, take } = await open()
  for (const amount of [1, 2, 3]) await charge(amount)
  let turns = 0
  for await (const _ of office.events.consume("mailer")) if (++turns === 2) break
  const failing = (async () => {
    for await (const recorded of office.events.consume("mailer")) {
      expect(amountOf(recorded)).toBe(2)
      throw new Error("the mail server is away")
    }
  })()
  await expect(failing).rejects.toThrow("the mail server is away")
  expect(await take(2)).toEqual([2, 3])
  // With the signal aborted the last one was acknowledged too.
  await charge(4)
  expect(await take(1)).toEqual([4])
  await office.close()
})

test("the requested kinds are typed, and the others are passed", async () => {
  const { office, charge } = await open()
  await charge(7)
  const stop = new AbortController()
  for await (const { event, id, aggregate } of office.events.consume("mailer", {
    types: ["WalletCharged", "ReservationPaid"],
    signal: stop.signal
  })) {
    // Both have an amount, and only they were asked for.
    expect(event.amount).toEqual(won(7))
    expect({ id, aggregate }).toEqual({ id: "1-1", aggregate: { kind: "wallet", id: "ada" } })
    stop.abort()
  }
  await office.close()
})

test("closing the engine ends its loops, and gives the consumer to the next engine", async () => {
  const shared = await Effect.runPromise(Effect.provide(BoxOfficeStore, layerMemory))
  const store = Layer.succeed(BoxOfficeStore, shared)
  const first = await open(store)
  const second = await open(store)
  const consuming = (async () => {
    let seen = 0
    for await (const _ of first.office.events.consume("mailer")) seen++
    return seen
  })()
  await first.charge(1)
  await expect.poll(async () => (await second.office.events.consumers())[0]?.active).toBe(true)
  const seen: Array<number> = []
  const taking = (async () => {
    for await (const recorded of second.office.events.consume("mailer")) {
      seen.push(amountOf(recorded))
      if (seen.at(-1) === 3) return
    }
  })()
  await first.charge(2)
  await first.office.close()
  expect(await consuming).toBe(2)
  await second.charge(3)
  await taking
  // The last one of the first engine may come again, the one before it may not.
  expect(seen.filter((amount) => amount !== 2)).toEqual([3])
  await expect(first.take(1)).rejects.toBeInstanceOf(StoreUnavailable)
  await second.office.close()
})

test("bad input is refused", async () => {
  const { office } = await open()
  const first = async (...args: Parameters<typeof office.events.consume>) => {
    for await (const _ of office.events.consume(...args)) return
  }
  const invalid = { _tag: "RequestInvalid" }
  await expect(first("no spaces allowed")).rejects.toMatchObject(invalid)
  await expect(first("mailer", { types: ["Nothing" as EventType] })).rejects.toMatchObject(invalid)
  await expect(first("mailer", { pollMs: 0 })).rejects.toMatchObject(invalid)
  await expect(first("mailer", { leaseMs: 1.5 })).rejects.toMatchObject(invalid)
  await expect(office.events.prune({ olderThanMs: -1 })).rejects.toMatchObject(invalid)
  await expect(office.events.reset("mailer", "later" as "now")).rejects.toMatchObject(invalid)
  await expect(office.events.remove("")).rejects.toMatchObject(invalid)
  await office.close()
})

test("a loop waits for a store that is down for a while; a store that refuses ends it", async () => {
  const shared = await Effect.runPromise(Effect.provide(BoxOfficeStore, layerMemory))
  let away = 3
  const { office, charge, take } = await open(
    Layer.succeed(BoxOfficeStore, {
      ...shared,
      outbox: {
        ...shared.outbox,
        read: (...args) =>
          Effect.suspend(() =>
            away-- > 0
              ? Effect.fail(new StoreUnavailable({ retryable: away < 100, cause: "away" }))
              : shared.outbox.read(...args)
          )
      }
    })
  )
  await charge(1)
  expect(await take(1)).toEqual([1])
  away = 1_000
  await expect(take(1)).rejects.toMatchObject({ _tag: "StoreUnavailable", retryable: false })
  await office.close()
})

test("after an outage the node takes its own lease at once, in one of its loops", async () => {
  const shared = await Effect.runPromise(Effect.provide(BoxOfficeStore, layerMemory))
  let isAway = false
  let refusedLeases = 0
  const unlessAway =
    <Args extends ReadonlyArray<unknown>, A>(
      operation: (...args: Args) => Effect.Effect<A, StoreUnavailable>,
      note = () => {}
    ) =>
    (...args: Args) =>
      Effect.suspend(() => {
        if (!isAway) return operation(...args)
        note()
        return Effect.fail(new StoreUnavailable({ retryable: true, cause: "away" }))
      })
  const { takeLease, read, save } = shared.outbox
  const { office, charge } = await open(
    Layer.succeed(BoxOfficeStore, {
      ...shared,
      outbox: {
        ...shared.outbox,
        takeLease: unlessAway(takeLease, () => void refusedLeases++),
        read: unlessAway(read),
        save: unlessAway(save)
      }
    })
  )
  const seen: Array<number> = []
  const stop = new AbortController()
  const loops = [1, 2].map(async () => {
    const options = { pollMs: 10, signal: stop.signal }
    for await (const recorded of office.events.consume("mailer", options)) {
      seen.push(amountOf(recorded))
    }
  })
  await charge(1)
  await expect.poll(() => seen).toEqual([1])
  for (const outage of [1, 2, 3]) {
    // Each session that loses its lease leaves it behind.
    refusedLeases = 0
    isAway = true
    await expect.poll(() => refusedLeases).toBeGreaterThan(2)
    isAway = false
    const since = performance.now()
    await charge(outage * 10)
    await expect.poll(() => seen).toContain(outage * 10)
    // A third of the lease, for a machine that is busy. The node alone needs no more than its own
    // pause between two claims.
    expect(performance.now() - since).toBeLessThan(10_000)
  }
  // One loop reads, and the other one waits for it.
  const before = seen.length
  for (const amount of [41, 42, 43]) await charge(amount)
  await expect.poll(() => seen.slice(before)).toEqual([41, 42, 43])
  await new Promise((done) => setTimeout(done, 100))
  expect(seen.slice(before)).toEqual([41, 42, 43])
  stop.abort()
  await Promise.all(loops)
  await office.close()
})

test("a session that ends while it reads hands out nothing more", async () => {
  const store = await Effect.runPromise(Effect.provide(BoxOfficeStore, layerMemory))
  const reading = Latch.makeUnsafe()
  const answer = Latch.makeUnsafe()
  const { read } = store.outbox
  const slow = Layer.succeed(BoxOfficeStore, {
    ...store,
    outbox: {
      ...store.outbox,
      read: (...args: Parameters<typeof read>) =>
        Effect.tap(read(...args), () => Effect.andThen(reading.open, answer.await))
    }
  })
  const { office, charge } = await open(Layer.succeed(BoxOfficeStore, store))
  await charge(1)
  const pulled = Effect.gen(function* () {
    const feed = yield* EventFeed
    const scope = yield* Scope.make()
    const session = yield* Scope.provide(feed.open("mailer"), scope)
    const pulling = yield* Effect.forkChild(session.pull)
    yield* reading.await
    yield* Scope.close(scope, Exit.void)
    // Another node may take the lease from here on.
    yield* answer.open
    return yield* Effect.timeoutOption(Fiber.join(pulling), 200)
  })
  const layer = Layer.provide(EventFeed.layerAlone, slow)
  expect(Option.isNone(await Effect.runPromise(Effect.provide(pulled, layer)))).toBe(true)
  await office.close()
})

test("an event that is acknowledged after its session has ended takes no lease", async () => {
  const store = await Effect.runPromise(Effect.provide(BoxOfficeStore, layerMemory))
  const layer = Layer.succeed(BoxOfficeStore, store)
  const { office, charge } = await open(layer)
  await charge(1)
  const late = Effect.gen(function* () {
    const feed = yield* EventFeed
    const [delivery] = yield* feed.consume("mailer").pipe(Stream.take(1), Stream.runCollect)
    // So long that its cursor would be saved.
    yield* Effect.sleep(1_100)
    yield* delivery!.acknowledge
    return yield* feed.consumers()
  })
  const [consumer] = await Effect.runPromise(
    Effect.provide(late, Layer.provide(EventFeed.layerAlone, layer))
  )
  expect(consumer?.active).toBe(false)
  await office.close()
})

test("after a failed read, events since the last save come again", async () => {
  const shared = await Effect.runPromise(Effect.provide(BoxOfficeStore, layerMemory))
  let away = false
  const { office, charge } = await open(
    Layer.succeed(BoxOfficeStore, {
      ...shared,
      outbox: {
        ...shared.outbox,
        read: (...args) =>
          Effect.suspend(() => {
            if (!away) return shared.outbox.read(...args)
            away = false
            return Effect.fail(new StoreUnavailable({ retryable: true, cause: "away" }))
          })
      }
    })
  )
  await charge(1)
  const seen: Array<number> = []
  for await (const recorded of office.events.consume("mailer", { pollMs: 10 })) {
    seen.push(amountOf(recorded))
    // A crash while the first event is handled: only the saved cursor counts.
    away = seen.length === 1
    if (seen.length === 2) break
  }
  expect(seen).toEqual([1, 1])
  await office.close()
})

test("a batch that fails after its decision wakes a waiting consumer once, and not for ever", async () => {
  let reads = 0
  let isBroken = false
  // A store that answers at once: the woken consumer waits again before the others are woken.
  const store = Layer.effect(
    BoxOfficeStore,
    Effect.map(BoxOfficeStore, (store) => ({
      ...store,
      transact: ((plan, decide) =>
        store.transact(plan, (rows) => {
          const decided = decide(rows)
          if (isBroken) throw new Error("a hook of the host fails")
          return decided
        })) as typeof store.transact,
      outbox: {
        ...store.outbox,
        read: () =>
          Effect.sync(() => {
            if (++reads > 100) throw new Error("the consumer reads without an end")
            return { batches: [], from: "0", next: "0", more: false, at: "" }
          })
      }
    }))
  ).pipe(Layer.provide(layerMemory))
  const { office, charge } = await open(store)
  const stop = new AbortController()
  const consumed = (async () => {
    for await (const _ of office.events.consume("mailer", { signal: stop.signal })) break
  })()
  await expect.poll(() => reads).toBeGreaterThan(0)
  isBroken = true
  await expect(charge(1)).rejects.toThrow()
  expect(reads).toBeLessThan(10)
  stop.abort()
  await consumed
  await office.close()
})
