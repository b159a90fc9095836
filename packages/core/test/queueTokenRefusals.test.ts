/** Invalid queue tokens are refused by every operation before the node calls the store. */
import { describe, it } from "@effect/vitest"
import { Effect, Layer, Result, type Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import { expect } from "vitest"
import {
  BoxOffice,
  BoxOfficeStore,
  layerOf,
  type QueueSettings,
  type UserId,
  within
} from "../src/index.ts"
import { layerMemory, testId, testStart, won } from "../src/testing.ts"
import { openOffice } from "./support.ts"

type Office = BoxOffice["Service"]
interface Shown {
  readonly userId: string
  readonly queueToken: string
}

/** Calls every operation with a queue token; returns the tag of each refusal, or "ok". */
const showAll = Effect.fnUntraced(function* (
  { queue, catalog, reservations, wallet, payments }: Office,
  caller: Shown
) {
  const at = { ...caller, performanceId: "gala-1" }
  const operations = {
    status: queue.status(caller),
    stream: Stream.runCollect(queue.changes(caller)),
    leave: queue.leave(caller),
    dates: catalog.availableDates({ ...caller, showId: "gala" }),
    seats: catalog.availableSeats(at),
    hold: reservations.hold({ ...at, seatIds: ["A1"], idempotencyKey: "k" }),
    charge: wallet.charge({ ...caller, amount: won(1), idempotencyKey: "k" }),
    balance: wallet.balance(caller),
    pay: payments.pay({ ...caller, reservationId: testId(1), idempotencyKey: "k" })
  }
  const said: Record<string, string> = {}
  for (const [name, operation] of Object.entries(operations)) {
    const result = yield* Effect.result(operation as Effect.Effect<unknown, { _tag: string }>)
    said[name] = Result.isFailure(result) ? result.failure._tag : "ok"
  }
  const peeked = queue.peek({ ...caller, userId: caller.userId as UserId })
  said.peek = peeked !== undefined && Result.isFailure(peeked) ? peeked.failure._tag : "ok"
  return said
})
const gated = ["dates", "seats", "hold", "charge", "balance", "pay"]
const placed = ["status", "stream", "leave", "peek"]
const each = (names: ReadonlyArray<string>, tag: string) =>
  Object.fromEntries(names.map((name) => [name, tag]))
const invalid = each([...placed, ...gated], "QueueTokenInvalid")
const ended = { ...each(placed, "ok"), ...each(gated, "QueueTokenExpired") }

/** A store that counts every call, and nodes over it with keys of their own. */
const openWorld = Effect.gen(function* () {
  yield* TestClock.setTime(testStart)
  const inner = yield* BoxOfficeStore
  const calls: Array<string> = []
  const counting = Object.entries(inner).map(([name, operation]) => {
    if (typeof operation !== "function") return [name, operation]
    const ask = operation as (...args: ReadonlyArray<unknown>) => unknown
    const counted = (...args: ReadonlyArray<unknown>) => {
      calls.push(name)
      return ask(...args)
    }
    return [name, counted]
  })
  const store = Object.fromEntries(counting) as BoxOfficeStore["Service"]
  const startNode = Effect.fnUntraced(function* (...ids: ReadonlyArray<string>) {
    const secrets = ids.map((id) => [id, `the secret of ${id}, of at least 32 bytes`])
    const layer = layerOf({ signingKeys: Object.fromEntries(secrets) })
    const context = yield* Layer.build(Layer.provide(layer, Layer.succeed(BoxOfficeStore, store)))
    return yield* Effect.provideContext(BoxOffice, context)
  })
  /** Runs an effect; returns its result and the calls of the store meanwhile. */
  const callsOf = <A, E>(effect: Effect.Effect<A, E>) =>
    Effect.suspend(() => {
      calls.length = 0
      return Effect.map(effect, (answer) => [answer, [...calls]] as const)
    })
  return { startNode, callsOf }
})

const open = (office: Office, settings: Partial<QueueSettings> = {}) =>
  Effect.provideService(openOffice(settings), BoxOffice, office)
const joining = (office: Office) => (userId: string) =>
  Effect.map(
    office.queue.join({ queueId: "main", userId }),
    ({ token }): Shown => ({
      userId,
      queueToken: token
    })
  )

const inWorld = <A, E>(play: Effect.Effect<A, E, BoxOfficeStore | Scope.Scope>) =>
  Effect.scoped(Effect.provide(play, layerMemory))

describe("a queue token is refused without a call of the store", () => {
  it.effect("if it is forged, or another user's", () =>
    Effect.gen(function* () {
      const { startNode, callsOf } = yield* openWorld
      const office = yield* startNode("k1")
      const { caller } = yield* open(office)
      const [ada, bob] = [yield* caller("ada"), yield* caller("bob")]
      const parts = ({ queueToken }: Shown) =>
        queueToken.split(".") as [string, string, string, string]
      const [version, key, claims, signature] = parts(ada)
      const [, , bobsClaims, bobsSignature] = parts(bob)
      const flipped = `${signature.startsWith("A") ? "B" : "A"}${signature.slice(1)}`
      const forged = {
        "made up": "bo1.k1.e30.AAAA",
        "with another signature": [version, key, claims, flipped].join("."),
        "without a signature": [version, key, claims, ""].join("."),
        "with another's signature": [version, key, claims, bobsSignature].join("."),
        "with another's claims": [version, key, bobsClaims, signature].join("."),
        "of a key that nobody has": [version, "k9", claims, signature].join("."),
        "another's": bob.queueToken
      }
      for (const [name, queueToken] of Object.entries(forged)) {
        const shown = { userId: "ada", queueToken }
        expect(yield* callsOf(showAll(office, shown)), name).toEqual([invalid, []])
      }
      // A valid token makes the node read the store, which shows that calls are counted.
      const [, calls] = yield* callsOf(office.wallet.balance(ada))
      expect(calls).toContain("readTokens")
    }).pipe(inWorld)
  )

  it.effect("after 90 days", () =>
    Effect.gen(function* () {
      const { startNode, callsOf } = yield* openWorld
      const office = yield* startNode("k1")
      const { caller } = yield* open(office, { sessionSeconds: 100 * 86_400 })
      const ada = yield* caller("ada")
      yield* TestClock.adjust("90 days")
      expect((yield* office.queue.status(ada)).state).toBe("admitted")
      yield* TestClock.adjust("1 second")
      expect(yield* callsOf(showAll(office, ada))).toEqual([invalid, []])
    }).pipe(inWorld)
  )

  it.effect("once its key is retired; until then keys overlap, and the token stays valid", () =>
    Effect.gen(function* () {
      const { startNode, callsOf } = yield* openWorld
      const before = yield* startNode("k1")
      const during = yield* startNode("k2", "k1")
      const after = yield* startNode("k2")
      yield* open(before)
      const old = yield* joining(before)("ada")
      expect((yield* during.queue.status(old)).state).toBe("admitted")
      const anew = yield* joining(during)("ada")
      expect(anew.queueToken).toMatch(/^bo1\.k2\./)
      expect((yield* after.queue.status(anew)).state).toBe("admitted")
      expect((yield* after.queue.get("main")).active).toBe(1)

      expect(yield* callsOf(showAll(after, old))).toEqual([invalid, []])
      // A signature of the old key is not valid under the new key's id.
      const renamed = { ...old, queueToken: old.queueToken.replace(".k1.", ".k2.") }
      expect(yield* callsOf(showAll(after, renamed))).toEqual([invalid, []])
    }).pipe(inWorld)
  )

  it.effect("after its user has left, also on a node that only read of it", () =>
    Effect.gen(function* () {
      const { startNode, callsOf } = yield* openWorld
      const nodes = [yield* startNode("k1"), yield* startNode("k1")] as const
      const { caller } = yield* open(nodes[0], { maxActive: 1 })
      yield* caller("eve")
      const [ada, bob] = [yield* caller("ada"), yield* caller("bob")]
      yield* nodes[0].queue.leave(ada)
      for (const node of nodes) {
        yield* node.queue.status(bob)
        expect(yield* callsOf(showAll(node, ada))).toEqual([ended, []])
        expect((yield* node.queue.status(ada)).state).toBe("left")
      }
    }).pipe(inWorld)
  )
})

describe("a queue token whose session has ended", () => {
  it.effect("is read once per node by operations that only read, whatever they are about", () =>
    Effect.gen(function* () {
      const { startNode, callsOf } = yield* openWorld
      const nodes = [yield* startNode("k1"), yield* startNode("k1")] as const
      const { caller } = yield* open(nodes[0])
      const ada = yield* caller("ada")
      yield* nodes[0].queue.leave(ada)
      for (const { catalog, wallet } of nodes) {
        const reads = [
          catalog.availableDates({ ...ada, showId: "gala" }),
          catalog.availableSeats({ ...ada, performanceId: "gala-1" }),
          wallet.balance(ada)
        ] as ReadonlyArray<Effect.Effect<unknown, { readonly _tag: string }>>
        // The node must know the queue in front of the show, too, to report the first reason.
        for (const read of reads) yield* Effect.flip(read)
        yield* TestClock.adjust("1 hour")
        const [refused, calls] = yield* callsOf(Effect.forEach(reads, Effect.flip))
        for (const error of refused) {
          expect(error).toMatchObject({ _tag: "QueueTokenExpired", state: "left" })
        }
        expect(calls).toEqual([])
      }
    }).pipe(inWorld)
  )

  it.effect("still gets the recorded outcome of a key", () =>
    Effect.gen(function* () {
      const { startNode } = yield* openWorld
      const office = yield* startNode("k1")
      const { caller } = yield* open(office)
      const ada = yield* caller("ada")
      yield* office.wallet.charge({ ...ada, amount: won(110_000) })
      const at = { ...ada, performanceId: "gala-1" }
      const { reservationId } = yield* office.reservations.hold({ ...at, seatIds: ["A1"] })
      const pay = office.payments.pay({ ...ada, reservationId, idempotencyKey: "k" })
      const paid = yield* pay
      for (let i = 0; i < 2; i++) {
        const error = yield* Effect.flip(office.wallet.balance(ada))
        expect(error).toMatchObject({ _tag: "QueueTokenExpired", state: "completed" })
        expect(yield* pay).toEqual(paid)
      }
    }).pipe(inWorld)
  )

  it.effect("does not count as ended by what a host's transaction read", () =>
    Effect.gen(function* () {
      const { startNode } = yield* openWorld
      const office = yield* startNode("k1")
      const { caller } = yield* open(office)
      const ada = yield* caller("ada")
      const store = yield* BoxOfficeStore
      // As the transaction sees it, Ada has left.
      const readTokens: typeof store.readTokens = (questions) =>
        Effect.map(store.readTokens(questions), (readings) =>
          readings.map(({ token, ...reading }) => ({
            ...reading,
            token: token && { ...token, state: "left" as const, endedAt: testStart }
          }))
        )
      const transaction = { store: { ...store, readTokens }, afterCommit: () => Effect.void }
      const inside = within(transaction)
      expect(yield* Effect.flip(inside(office.wallet.balance(ada)))).toMatchObject({
        state: "left"
      })
      expect((yield* office.wallet.balance(ada)).balance.amount).toBe(0n)
    }).pipe(inWorld)
  )
})
