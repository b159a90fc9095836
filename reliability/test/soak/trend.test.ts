import { describe, expect, test } from "vitest"
import { verdictOf } from "../../src/soak/report.ts"
import { judge, Series, samplesMin } from "../../src/soak/series.ts"
import { type Point, trendOf } from "../../src/soak/trend.ts"

const over = (value: (at: number) => number): ReadonlyArray<Point> =>
  Array.from({ length: 120 }, (_, i) => ({ at: i * 5, value: value(i * 5) }))
/** The same jitter each time, of up to 1 either way. */
const jitter = (at: number) => Math.sin(at * 12.9898) * 0.999
const tolerance = { share: 0.1, least: 2 }

describe("a trend", () => {
  test("of jitter around a level is flat", () => {
    expect(
      trendOf(
        over((at) => 100 + 3 * jitter(at)),
        tolerance
      )
    ).toMatchObject({ flat: true })
  })

  test("of a leak is its growth over the whole time, however wild some points are", () => {
    const leak = over((at) => (at % 20 === 0 ? 10_000 : 100 + at / 20 + jitter(at)))
    const { flat, growth, allowed } = trendOf(leak, tolerance)
    expect(flat).toBe(false)
    expect(growth).toBeGreaterThan(25)
    expect(growth).toBeLessThan(35)
    expect(allowed).toBeLessThan(15)
  })

  test("of a wave is flat, whichever part of it comes last", () => {
    for (const phase of [0, 1, 2, 3, 4, 5]) {
      const wave = over((at) => 100 + 30 * Math.sin(at / 20 + phase))
      expect(trendOf(wave, tolerance), `phase ${phase}`).toMatchObject({ flat: true })
    }
  })

  test("of a value that falls is flat", () => {
    expect(
      trendOf(
        over((at) => 1_000 - at),
        tolerance
      )
    ).toMatchObject({ flat: true })
  })

  test("of a small value may jitter by the least amount", () => {
    expect(
      trendOf(
        over((at) => 1 + at / 600),
        tolerance
      )
    ).toMatchObject({ flat: true })
    expect(
      trendOf(
        over((at) => 1 + at / 100),
        tolerance
      )
    ).toMatchObject({ flat: false })
  })
})

describe("a judgement", () => {
  const seriesOf = (values: Readonly<Record<string, (at: number) => number>>) => {
    const series = new Series()
    for (let at = 0; at < 600; at += 5) {
      const measured = Object.entries(values).map(([name, value]) => [name, value(at)] as const)
      series.add(at, Object.fromEntries(measured))
    }
    return series
  }
  const mb = 1_048_576

  test("is of the time after the warm-up", () => {
    const warming = (at: number) => (at < 200 ? at * mb : 200 * mb)
    const series = seriesOf({ "heap 0": warming, others: () => 0 })
    expect(judge(series, 200)).toMatchObject({
      judged: [{ name: "heap 0", flat: true }],
      samples: 80
    })
    expect(judge(series, 0).judged).toMatchObject([{ name: "heap 0", flat: false }])
  })

  test("compares the bytes of the books with their rows", () => {
    const series = seriesOf({
      "table transfer": (at) => at * mb,
      "table outbox": (at) => at * mb,
      "bytes a row of transfer": () => 300,
      others: () => 0
    })
    expect(judge(series, 0).judged).toMatchObject([
      { name: "bytes a row of transfer", flat: true },
      { name: "table outbox", flat: false }
    ])
  })

  test("leaves latencies out where other processes take the machine", () => {
    const slower = { "p50 hold": (at: number) => 10 + at }
    expect(judge(seriesOf({ ...slower, others: () => 0.1 }), 0)).toMatchObject({
      judged: [{ name: "p50 hold", flat: false }],
      unjudged: undefined
    })
    expect(judge(seriesOf({ ...slower, others: (at) => 0.2 + at / 600 }), 0)).toMatchObject({
      judged: [],
      unjudged: expect.stringContaining("other processes")
    })
  })
})

describe("the verdict", () => {
  const trend = { median: 1, first: 1, last: 1, growth: 0, allowed: 1 }
  const soaked = { faults: [], judged: [], samples: 80, unjudged: undefined }
  const heap = (flat: boolean) => [{ name: "heap 0", ...trend, flat }]

  test("is flat, or names what grows, and says what was not judged", () => {
    expect(verdictOf({ ...soaked, judged: heap(true) })).toEqual({ text: "Flat", code: 0 })
    expect(verdictOf({ ...soaked, judged: heap(true), unjudged: "latencies" })).toEqual({
      text: "Flat (not judged: latencies)",
      code: 0
    })
    expect(verdictOf({ ...soaked, judged: heap(false) })).toEqual({
      text: "NOT flat: heap 0",
      code: 1
    })
  })

  test("of too few samples is neither, unless there was a fault", () => {
    const short = { ...soaked, judged: heap(true), samples: samplesMin - 1 }
    expect(verdictOf(short)).toEqual({
      text: "Too short to judge: 9 samples after the warm-up, and a trend needs 10",
      code: 3
    })
    expect(verdictOf({ ...short, faults: ["node 0 has ended"] })).toEqual({
      text: "FAILED, 1 fault: node 0 has ended",
      code: 1
    })
  })
})
