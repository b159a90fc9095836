import type { QueueTokenStatus } from "@boxoffice/core"
import { describe, expect, test } from "vitest"
import { makeEstimateErrors, note, type Told } from "../src/simulate/estimates.ts"
import { makeWheel, wheelStepMs } from "../src/simulate/wheel.ts"

describe("the wheel", () => {
  test("gives everyone once, and nobody before their time", () => {
    const wheel = makeWheel<number>()
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

  test("gives who is late at the next turn", () => {
    const wheel = makeWheel<string>()
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
  const visit = (told: ReadonlyArray<QueueTokenStatus>): Told => {
    const notes: Told = []
    for (const each of told) note(notes, each)
    return notes
  }

  test("is told by what came true, of the first estimate and of all", () => {
    const errors = makeEstimateErrors()
    // In after 100 s: the first said 80 to 120, the second, 40 s later, 60 to 70.
    errors.cameIn(visit([status(0, 80, 120), status(40, 60, 70)]), at(100))
    // In after 100 s, later than either said.
    errors.cameIn(visit([status(0, 50, 90)]), at(100))
    const { first, every } = errors.get()
    expect(first).toMatchObject({ estimates: 2, inByP50: 0, inByP90: 0.5, withinBand: 0.5 })
    expect(every).toMatchObject({ estimates: 3, inByP50: 1 / 3, inByP90: 2 / 3 })
    expect(every.withinBand).toBeCloseTo(1 / 3)
    expect(every.medianErrorSeconds).toBeCloseTo(20, 0)
    expect(every.medianErrorShare).toBeCloseTo(0.2, 2)
  })

  test("counts nothing where nothing was promised or known", () => {
    const errors = makeEstimateErrors()
    errors.cameIn(visit([{ ...status(0, 1, 1), estimatedWait: null }]), at(5))
    const told = status(9, 1, 1)
    errors.cameIn(visit([told]), at(5))
    expect(errors.get().every).toEqual({
      estimates: 0,
      inByP50: 0,
      inByP90: 0,
      withinBand: 0,
      medianErrorSeconds: 0,
      medianErrorShare: 0
    })
  })
})
