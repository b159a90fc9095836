/**
 * Random histories of a waiting room over the store in memory, on a clock that is moved: see
 * `test-support/waitingRoom`. `SEED` and `HISTORIES` explore further.
 */
import { describe, it } from "@effect/vitest"
import { Clock, Context, Effect, Exit, Layer, Scope } from "effect"
import { TestClock } from "effect/testing"
import { expect } from "vitest"
import { checkHistories } from "../../../test-support/waitingRoom/check.ts"
import type { Room } from "../../../test-support/waitingRoom/room.ts"
import { BoxOffice, BoxOfficeStore, layerOf, type QueueId, sweep } from "../src/index.ts"
import { decodeEvents } from "../src/store.ts"
import { Failures, layerFailures, layerMemory, testStart } from "../src/testing.ts"
import { signingKeys } from "./support.ts"

const seed = process.env.SEED ?? "waiting room"
const runs = Number(process.env.HISTORIES ?? 120)

const queueId = "main" as QueueId
// More than a second, so that a poll delay of a second would be too short.
const freshMs = 2_500

const openRoom = Effect.gen(function* () {
  yield* TestClock.setTime(testStart)
  const clock = yield* Clock.Clock
  const store = Context.get(yield* Layer.build(layerMemory), BoxOfficeStore)
  const start = Effect.gen(function* () {
    const scope = yield* Scope.make()
    const layer = layerOf({
      signingKeys,
      policies: { queueMaxAgeMs: freshMs, gate: ["hold", "pay"] }
    }).pipe(Layer.provideMerge(layerFailures), Layer.provide(Layer.succeed(BoxOfficeStore, store)))
    const context = yield* Effect.orDie(Layer.buildWithScope(layer, scope))
    return { context, close: Scope.close(scope, Exit.void) }
  })
  const nodes = [yield* start, yield* start]
  const started = [1, 1]
  yield* Effect.addFinalizer(() => Effect.forEach(nodes, ({ close }) => close))
  let { cursor } = (yield* store.outbox.takeLease({
    consumer: "model",
    owner: "model",
    leaseMs: 1,
    from: "beginning"
  })) as { readonly cursor: string }

  const room: Room = {
    queueId,
    freshMs,
    slackMs: 0,
    store,
    node: (n) => {
      const { context } = nodes[n]!
      const office = Context.get(context, BoxOffice)
      return {
        ask: (question) => Effect.result(question(office)),
        sweep: Effect.asVoid(Effect.provideContext(sweep, context))
      }
    },
    nameOf: (n) => `${n}.${started[n]}`,
    now: () => clock.currentTimeMillisUnsafe(),
    elapsed: () => clock.currentTimeMillisUnsafe() - testStart,
    offset: () => 0,
    pass: (ms) => TestClock.adjust(ms),
    events: Effect.gen(function* () {
      const page = yield* store.outbox.read(cursor, 10_000)
      if (page === "interrupted") throw new Error("The store in memory is never interrupted.")
      cursor = page.next
      return page.batches.map(({ version, events }) => decodeEvents(version, events))
    }),
    restart: (n) =>
      Effect.gen(function* () {
        yield* nodes[n]!.close
        nodes[n] = yield* start
        started[n]!++
      }),
    cut: (n, isLost, during) =>
      Effect.suspend(() => {
        const failures = Context.get(nodes[n]!.context, Failures)
        if (isLost) failures.loseNextAnswer()
        else failures.failNextCommit()
        return Effect.ensuring(during, Effect.sync(failures.clear))
      }),
    inspect: Effect.void
  }
  return room
})

describe(`the waiting room of two nodes (seed: ${seed}, histories: ${runs})`, () => {
  it.effect(
    "is what plain lists say it is, whatever happens",
    () =>
      Effect.gen(function* () {
        const seen = yield* checkHistories(
          (use) =>
            Effect.scoped(Effect.flatMap(Effect.orDie(openRoom), use)).pipe(
              Effect.provide(TestClock.layer(), { local: true })
            ),
          { seed, runs, maxShrinks: 400 }
        )
        // Fewer histories may cover little, so their coverage is not checked.
        if (runs < 100) return
        for (const what of ["admitted by turns", "opened", "completed", "away", "asked in time"]) {
          expect(seen.get(what) ?? 0, what).toBeGreaterThan(0)
        }
      }),
    60_000 + runs * 1_000
  )
})
