import { it } from "@effect/vitest"
import { Effect, Metric } from "effect"
import { describe, expect } from "vitest"
import { LiveQueue } from "../src/queue/live/LiveQueue.ts"
import { makeQueueMetrics } from "../src/queue/live/metrics.ts"
import { waitingStatus } from "../src/queue/status.ts"
import { queueRow, testId, testStart } from "../src/testing.ts"

const { queueId } = queueRow()

/** The metrics of a node that has read the queue with so many waiting users. */
const metricsWith = Effect.fnUntraced(function* (waiting: number) {
  const metrics = yield* makeQueueMetrics({ listen: () => {} })
  const queue = queueRow({ nextNumber: BigInt(waiting + 1), waiting })
  const reading = { now: testStart, lapsed: false, departures: [], admissions: [] }
  metrics.read(new LiveQueue({ ...reading, queue }))
  return {
    /** The node answers a poll of the user with an estimate of 100 seconds, or another one. */
    poll: (user: number, p50Seconds = 100, now = testStart) => {
      const tokenId = testId(user)
      const estimatedWait = { p50Seconds, p90Seconds: 2 * p50Seconds }
      const place = { ahead: 1, waitSeconds: p50Seconds, now }
      const status = waitingStatus({ queueId, tokenId }, { ...place, estimatedWait })
      metrics.estimateShown(tokenId, { ...status, asOf: new Date(now) })
    },
    /** The user is admitted 100 seconds after the start of the test. */
    admit: (user: number) => metrics.tokenAdmitted(queueId, testId(user), testStart + 100_000),
    /** How many estimates were rated, and the largest error among them. */
    rated: Effect.map(Metric.snapshot, (all) => {
      const errors = all.find(({ id }) => id === "boxoffice_queue_estimate_error")
      const { count, max } = errors!.state as { readonly count: number; readonly max: number }
      return { count, max }
    })
  }
})

/** Provides each test with metrics of its own. */
const ownRegistry = <A, E>(test: Effect.Effect<A, E>) =>
  Effect.suspend(() => Effect.provideService(test, Metric.MetricRegistry, new Map()))

describe("the first estimates", () => {
  it.effect("of users who left make room for those of later users", () =>
    Effect.gen(function* () {
      const { poll, admit, rated } = yield* metricsWith(100)
      for (let user = 0; user < 30_000; user++) poll(user)
      poll(30_000)
      admit(30_000)
      expect(yield* rated).toEqual({ count: 1, max: 0 })
    }).pipe(ownRegistry)
  )

  it.effect("of users who go on polling stay while others come and leave", () =>
    Effect.gen(function* () {
      const { poll, admit, rated } = yield* metricsWith(100)
      for (let user = 0; user < 100; user++) poll(user)
      for (let stranger = 1_000; stranger < 51_000; stranger++) {
        poll(stranger)
        if (stranger % 5_000 !== 0) continue
        for (let user = 0; user < 100; user++) poll(user, 50, testStart + 90_000)
      }
      for (let user = 0; user < 100; user++) admit(user)
      expect(yield* rated).toEqual({ count: 100, max: 0 })
    }).pipe(ownRegistry)
  )

  it.effect("are rated, and no later ones, in a queue of more users than are kept", () =>
    Effect.gen(function* () {
      const { poll, admit, rated } = yield* metricsWith(100_000)
      for (let user = 0; user < 100_000; user++) poll(user)
      for (let user = 0; user < 100_000; user++) poll(user, 50, testStart + 90_000)
      for (let user = 0; user < 100_000; user++) admit(user)
      const { count, max } = yield* rated
      expect(max).toBe(0)
      expect(count).toBeGreaterThan(3_000)
      expect(count).toBeLessThan(20_000)
    }).pipe(ownRegistry)
  )
})
