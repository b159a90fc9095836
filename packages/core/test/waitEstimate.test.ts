/**
 * Compares estimated waits with the real ones in random simulations: sessions have random lengths,
 * and the next user is admitted as the limits allow. A failure names its seed; `SEED` and `RUNS`
 * explore further.
 */
import { describe, expect, it } from "vitest"
import { admissionRate } from "../src/queue/live/admissionRate.ts"
import { addSample, type MovementHistory } from "../src/queue/live/movement.ts"
import { estimatedWait, minuteLimitOf } from "../src/queue/live/waitEstimate.ts"
import type { AdmissionCount, QueueRow } from "../src/queue/model.ts"
import { queueRow, testStart } from "../src/testing.ts"
import { randomFrom } from "./support.ts"

const firstSeed = Number(process.env.SEED ?? 1)
const runs = Number(process.env.RUNS ?? 6)
const seeds = Array.from({ length: runs }, (_, i) => firstSeed + i)

type Settings = Pick<QueueRow["settings"], "maxActive" | "admitPerMinute">

interface House {
  /** The limits, and whether the queue is paused, by the second. */
  readonly settings: (second: number) => Settings
  readonly isPaused?: (second: number) => boolean
  /** The length of a session that begins at this second. */
  readonly stay: (second: number, random: () => number) => number
  /** Seconds between two admissions. */
  readonly tick: number
  readonly seconds: number
  readonly people: number
}

const unlimited = 10_000_000
const byChance = (mean: number) => (random: () => number) => -mean * Math.log(1 - random())
const between = (low: number, high: number, random: () => number) => low + (high - low) * random()

/** Simulates a queue whose users all wait from the start: a reading each second. */
const play = ({ settings, isPaused, stay, tick, seconds, people }: House, seed: number) => {
  const random = randomFrom(seed)
  const admittedAt: Array<number> = []
  let inside: Array<number> = []
  const readings: Array<{
    now: number
    queue: QueueRow
    admissions: ReadonlyArray<AdmissionCount>
  }> = []
  const letIn = (second: number) => {
    inside = inside.filter((end) => end > second)
    if (isPaused?.(second)) return
    const { maxActive, admitPerMinute } = settings(second)
    const lastMinute = admittedAt.length - admittedAt.findLastIndex((at) => at <= second - 60) - 1
    const room = Math.min(maxActive - inside.length, admitPerMinute - lastMinute)
    for (let i = 0; i < room && admittedAt.length < people; i++) {
      admittedAt.push(second)
      inside.push(second + stay(second, random))
    }
  }
  let next = 0
  for (let second = 0; second < seconds; second++) {
    for (; next <= second + 0.5; next += tick) letIn(next)
    const now = testStart + 1_000 * second + 500
    const grants = new Map<number, AdmissionCount>()
    for (const at of admittedAt.slice(admittedAt.findLastIndex((at) => at <= second - 59.5) + 1)) {
      const admitted = (grants.get(Math.floor(at))?.admitted ?? 0) + 1
      grants.set(Math.floor(at), { at: testStart + 1_000 * at, admitted })
    }
    const limits = { ...queueRow().settings, ...settings(second) }
    const mode = isPaused?.(second) ? "paused" : "open"
    const active = inside.filter((end) => end > second + 0.5).length
    const queue = queueRow({ settings: limits, mode, active })
    readings.push({ now, queue, admissions: Array.from(grants.values()) })
  }
  return { readings, admittedAt }
}

interface Told {
  readonly second: number
  readonly p50: number
  readonly p90: number
  /** The real wait; `undefined` if it was longer than the simulation. */
  readonly truth: number | undefined
}

/** Estimates the wait at each second for positions all along the line. */
const tell = (house: House, seed: number) => {
  const { readings, admittedAt } = play(house, seed)
  const told: Array<Told> = []
  const nothing: Array<number> = []
  let watched: MovementHistory | undefined
  for (const [second, reading] of readings.entries()) {
    watched = addSample(watched, reading)
    const rate = admissionRate(watched, reading.queue)
    const limit = minuteLimitOf(reading)
    const cursor = admittedAt.findLastIndex((at) => at <= second + 0.5) + 1
    for (let ahead = 0; ahead < house.people - cursor; ahead += 1 + Math.ceil(ahead / 5)) {
      const wait = rate && estimatedWait(ahead, rate, limit)
      if (!wait) {
        nothing.push(second)
        continue
      }
      const at = admittedAt[cursor + ahead]
      const truth = at === undefined ? undefined : at - second - 0.5
      told.push({ second, p50: wait.p50Seconds, p90: wait.p90Seconds, truth })
    }
  }
  return { told, nothing, seconds: house.seconds }
}

/** The median error of p50, as a share of the wait, and how many were admitted by p90. */
const judge = (told: ReadonlyArray<Told>, seconds: number) => {
  const known = told.filter(({ truth }) => truth !== undefined)
  const errors = known.map(({ p50, truth }) => Math.abs(p50 - truth!) / truth!)
  const due = told.filter(({ second, p90 }) => second + p90 < seconds)
  const inByP90 = due.filter(({ p90, truth }) => truth !== undefined && truth <= p90).length
  return {
    known: known.length,
    error: errors.sort((a, b) => a - b)[Math.floor(errors.length / 2)]!,
    inByP90: inByP90 / due.length
  }
}

/** A random simulation: several hundred users inside, with sessions of about a minute or less. */
const anyHouse = (seed: number) => {
  const random = randomFrom(seed)
  const maxActive = Math.round(between(200, 800, random))
  const mean = between(20, 60, random)
  const settings = { maxActive, admitPerMinute: unlimited }
  const perSecond = maxActive / mean
  return { maxActive, mean, settings, perSecond, seconds: 400, people: Math.round(500 * perSecond) }
}

describe.each(seeds)("the estimated wait, seed %i", (seed) => {
  const { maxActive, mean, settings, perSecond, ...size } = anyHouse(seed)
  const steady = { ...size, tick: 0.25, settings: () => settings }
  const stay = (_: number, random: () => number) => byChance(mean)(random)
  const longerThan = (seconds: number) => (told: Told) => told.p50 >= seconds

  it("at a steady rate is within a tenth, and nine in ten users are admitted by p90", () => {
    const { told, seconds } = tell({ ...steady, stay }, seed)
    const later = told.filter(({ second }) => second > 60)
    const { error, inByP90, known } = judge(later.filter(longerThan(15)), seconds)
    expect(known).toBeGreaterThan(2_000)
    expect(error).toBeLessThan(0.1)
    expect(inByP90).toBeGreaterThan(0.9)
    for (const { p50, p90 } of told) expect(p90).toBeGreaterThanOrEqual(p50)
  })

  it("is within a tenth if admissions come in bursts", () => {
    const tick = between(2, 5, randomFrom(seed))
    const { told, seconds } = tell({ ...steady, stay, tick }, seed)
    const later = told.filter(({ second, p50 }) => second > 60 && p50 >= 30)
    const { error, inByP90 } = judge(later, seconds)
    expect(error).toBeLessThan(0.1)
    expect(inByP90).toBeGreaterThan(0.9)
  })

  it("of a sale that slows down is too short, but nine in ten users are admitted by p90", () => {
    const slowing = (second: number, random: () => number) =>
      byChance(mean * (1 + second / 400))(random)
    const { told, seconds } = tell({ ...steady, stay: slowing }, seed)
    const { error, inByP90 } = judge(told.filter(longerThan(15)), seconds)
    expect(error).toBeLessThan(0.25)
    expect(inByP90).toBeGreaterThan(0.85)
  })

  it("is right again soon after `maxActive` has changed", () => {
    const changing = (second: number) => {
      const times = second < 150 ? 1 : second < 250 ? 2 : 0.5
      return { ...settings, maxActive: Math.round(maxActive * times) }
    }
    const { told, seconds } = tell({ ...steady, stay, settings: changing }, seed)
    for (const [from, to] of [
      [152, 250],
      [252, 400]
    ] as const) {
      const within = ({ second, p50, truth }: Told) =>
        second >= from && second + (truth ?? p50) < to && p50 >= 5
      expect(judge(told.filter(within), seconds).error).toBeLessThan(0.15)
    }
  })

  it("is null during a pause and for the first seconds after it", () => {
    const isPaused = (second: number) => second >= 150 && second < 200
    const { told, nothing, seconds } = tell({ ...steady, stay, isPaused }, seed)
    for (const { second } of told) expect(isPaused(second) || isPaused(second - 4)).toBe(false)
    expect(nothing).toContain(200)
    const after = told.filter(({ second, p50 }) => second > 210 && p50 >= 15)
    const { error, inByP90 } = judge(after, seconds)
    expect(error).toBeLessThan(0.15)
    expect(inByP90).toBeGreaterThan(0.9)
  })

  it("by `admitPerMinute` is exact to the second, however admissions were spread", () => {
    const limited = { maxActive: 100_000, admitPerMinute: Math.round(30 * perSecond) }
    const { told, seconds } = tell({ ...steady, stay, settings: () => limited }, seed)
    const { error, inByP90 } = judge(told.filter(longerThan(15)), seconds)
    expect(error).toBeLessThan(0.03)
    expect(inByP90).toBe(1)
  })
})

describe("the admission rate", () => {
  const second = (i: number) => testStart + 1_000 * i
  const grantsOf = (count: number, from: number, to: number): ReadonlyArray<AdmissionCount> =>
    Array.from({ length: to - from }, (_, i) => ({ at: second(from + i), admitted: count }))
  const settings = { ...queueRow().settings, maxActive: 500 }
  const full = queueRow({ active: 500, settings })
  const roomy = queueRow({ active: 500, settings: { ...settings, maxActive: 5_000 } })
  /** The rate at the last of the readings, one a second; each says how many were inside. */
  const rateOf = (
    active: ReadonlyArray<number>,
    grants: ReadonlyArray<AdmissionCount>,
    queue = full
  ) => {
    let watched: MovementHistory | undefined
    for (const [i, inside] of active.entries()) {
      const now = second(i)
      const lately = grants.filter(({ at }) => at <= now && at > now - 60_000)
      watched = addSample(watched, { now, admissions: lately, queue: { ...queue, active: inside } })
    }
    return admissionRate(watched!, queue)
  }
  const filled = (seconds: number) => [0, ...new Array<number>(seconds).fill(500)]
  const filling = [{ at: second(1), admitted: 500 }]

  it("does not count the admissions that fill an empty queue", () => {
    for (const seconds of [10, 30, 50]) {
      const grants = [...filling, ...grantsOf(10, 2, seconds + 1)]
      const { perSecond } = rateOf(filled(seconds), grants)!
      expect(Math.abs(perSecond - 10)).toBeLessThan(1.1)
    }
  })

  it("is unknown before sessions have ended for some seconds", () => {
    expect(rateOf(filled(4), [...filling, ...grantsOf(10, 2, 5)])).toBeUndefined()
    expect(rateOf(filled(30), filling)).toBeUndefined()
    expect(rateOf([500], [])).toBeUndefined()
  })

  it("is known from the first reading, if sessions have begun and ended for a minute", () => {
    expect(rateOf([500], grantsOf(5, -59, 0))!.perSecond).toBeCloseTo(5, 0)
    // These admissions may have filled the queue.
    expect(rateOf([500], grantsOf(10, -59, 0))).toBeUndefined()
    expect(rateOf([500], grantsOf(10, -59, 0), roomy)!.perSecond).toBeCloseTo(10, 0)
    expect(rateOf([500], grantsOf(50, -7, 1), roomy)!.perSecond).toBeCloseTo(50, 0)
  })

  it("counts an admission once, if its second was read before it was over", () => {
    const grants = (late: number) => [{ at: second(0) + 10 + late, admitted: 1 + late }]
    const queue = queueRow({ active: 1 })
    let watched = addSample(undefined, { now: second(0) + 20, admissions: grants(0), queue })
    for (let late = 1; late <= 9; late++) {
      watched = addSample(watched, { now: second(late) + 20, admissions: grants(late), queue })
    }
    expect(watched.samples.at(-1)!.admitted).toBe(10)
  })

  it("starts over after a gap and after the clock was set, and drops old samples", () => {
    const queue = queueRow({ active: 500, settings })
    const at = (now: number, before?: MovementHistory) =>
      addSample(before, { now, admissions: [], queue })
    const two = at(second(1), at(second(0)))
    expect(two.samples).toHaveLength(2)
    const again = at(second(1) + 800, two)
    expect(again.samples.map((moment) => moment.at)).toEqual([second(0), second(1) + 800])
    expect(at(second(62), two).samples).toHaveLength(1)
    expect(at(second(0), two).samples).toHaveLength(1)
    let long = two
    for (let i = 2; i < 2_000; i++) long = at(second(i), long)
    expect(long.samples).toHaveLength(900)
  })

  it("widens the p90 if admissions come in bursts, and if the rate has moved", () => {
    const limit = minuteLimitOf({ now: second(120), admissions: [], queue: roomy })
    const spreadOf = (grants: ReadonlyArray<AdmissionCount>) => {
      const { p50Seconds, p90Seconds } = estimatedWait(
        1_000,
        rateOf(new Array<number>(121).fill(500), grants, roomy)!,
        limit
      )!
      return p90Seconds / p50Seconds
    }
    const even = spreadOf(grantsOf(20, 0, 121))
    const starts = spreadOf(grantsOf(160, 0, 121).filter((_, i) => i % 8 === 0))
    const moved = spreadOf([...grantsOf(80, 0, 90), ...grantsOf(20, 90, 121)])
    expect(starts).toBeGreaterThan(even)
    expect(moved).toBeGreaterThan(even * 1.2)
  })

  it("gives no estimate for waits much longer than the history", () => {
    const rate = rateOf(new Array<number>(8).fill(500), grantsOf(20, 0, 8), roomy)!
    const limit = minuteLimitOf({ now: second(7), admissions: [], queue: roomy })
    expect(estimatedWait(200, rate, limit)).not.toBeNull()
    expect(estimatedWait(20_000, rate, limit)).toBeNull()
  })
})
