import type { QueueTokenStatus } from "@boxoffice/core"
import { describe, expect, test } from "vitest"
import { makeEstimates } from "../src/cli/simulate/estimates.ts"
import { makeTimerWheel, wheelStepMs } from "../src/cli/simulate/timerWheel.ts"

describe("the timer wheel", () => {
  test("gives each entry once, and none before its time", () => {
    const wheel = makeTimerWheel<number>()
    const times = Array.from({ length: 1_000 }, (_, i) => (i * 7_919) % 10_007)
    for (const atMs of times) wheel.add(atMs, atMs)
    const taken: Array<number> = []
    for (let now = 0; now <= 11_000; now += 130) {
      const due = wheel.take(now)
      for (const atMs of due) {
        expect(atMs).toBeLessThanOrEqual(now)
        expect(atMs).toBeGreaterThan(now - 130 - wheelStepMs)
      }
      taken.push(...due)
    }
    expect(taken.toSorted((a, b) => a - b)).toEqual(times.toSorted((a, b) => a - b))
  })

  test("gives a late entry at the next turn", () => {
    const wheel = makeTimerWheel<string>()
    expect(wheel.take(1_000)).toEqual([])
    wheel.add(3, "late")
    expect(wheel.take(1_000)).toEqual([])
    expect(wheel.take(1_000 + wheelStepMs)).toEqual(["late"])
  })
})

describe("the error of estimated waits", () => {
  const at = (seconds: number) => new Date(seconds * 1_000)
  const status = (asOf: number, p50Seconds: number, p90Seconds: number): QueueTokenStatus => ({
    queueId: "q" as QueueTokenStatus["queueId"],
    state: "waiting",
    position: 1,
    ahead: 0,
    estimatedWait: { p50Seconds, p90Seconds },
    pollAfterSeconds: 1,
    admittedAt: null,
    expiresAt: null,
    asOf: at(asOf)
  })
  /** A user who got these statuses, and was admitted after this many seconds, if at all. */
  const visit = (
    estimates: ReturnType<typeof makeEstimates>,
    statuses: ReadonlyArray<QueueTokenStatus>,
    admittedAt?: number
  ) => {
    const forecast = estimates.follow()
    for (const each of statuses) estimates.add(forecast, each)
    if (admittedAt !== undefined) estimates.recordAdmission(forecast, at(admittedAt))
  }

  test("is measured for first estimates, for all, and by their length", () => {
    const estimates = makeEstimates()
    // Admitted after 100 s: the first estimate was 80 to 120 s, the second, 40 s later, 60 to 70 s.
    visit(estimates, [status(0, 80, 120), status(40, 60, 70)], 100)
    // Admitted after 100 s, later than both estimates.
    visit(estimates, [status(0, 20, 90)], 100)
    visit(estimates, [], 200)
    const { first, every, byHorizon } = estimates.get()
    expect(first).toMatchObject({ told: 2, p50Came: 2, inByP50: 0, p90Came: 2, inByP90: 0.5 })
    expect(every).toMatchObject({ told: 3, p50Came: 3, inByP50: 1 / 3, inByP90: 2 / 3 })
    expect(every.medianErrorShare).toBeCloseTo(0.2, 2)
    expect(byHorizon).toMatchObject([
      { fromSeconds: 0, told: 1, inByP90: 0, medianErrorShare: expect.closeTo(0.8, 2) },
      { fromSeconds: 30, told: 2, inByP90: 1 },
      { fromSeconds: 120, told: 0 }
    ])
  })

  test("counts users who were not admitted by then, and no estimate that ends after the sale", () => {
    const estimates = makeEstimates()
    visit(estimates, [status(0, 100, 400)], 100)
    visit(estimates, [status(100, 100, 150)])
    // The first user's estimate was after the end; the second was admitted long before its
    // estimate.
    visit(estimates, [status(250, 100, 150)])
    visit(estimates, [status(0, 301, 400)], 10)
    visit(estimates, [status(0, 300, 300)], 300)
    const { every } = estimates.get()
    expect(every).toMatchObject({ told: 5, p50Came: 3, inByP50: 2 / 3, p90Came: 2, inByP90: 0.5 })
    // The user had waited for 200 s at the end, and the estimate was at most half of that.
    const alone = makeEstimates()
    visit(alone, [status(100, 100, 150), status(300, 500, 600)])
    expect(alone.get().every).toMatchObject({ told: 2, p50Came: 1, inByP50: 0, p90Came: 1 })
    expect(alone.get().every.medianErrorShare).toBeCloseTo(0.5, 2)
  })

  test("counts nothing where nothing was promised or known", () => {
    const estimates = makeEstimates()
    visit(estimates, [{ ...status(0, 1, 1), estimatedWait: null }], 5)
    visit(estimates, [status(9, 1, 1)], 5)
    const { every, silent } = estimates.get()
    expect(silent).toBe(1)
    expect(every).toEqual({
      told: 0,
      p50Came: 0,
      inByP50: 0,
      p90Came: 0,
      inByP90: 0,
      medianErrorShare: 0
    })
  })
})
