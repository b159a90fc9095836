import { createHash } from "node:crypto"
import { describe, expect, it } from "vitest"
import type { QueueId } from "../src/Ids.ts"
import { commitmentOf, permutationOf, verifyLottery } from "../src/queue/lottery.ts"

const queueId = "main" as QueueId
const seedOf = (n: number) => createHash("sha256").update(`seed ${n}`).digest("hex")
const numbersTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1)

/** The chi-squared statistic of counts that should all be the same. */
const chiSquared = (counts: ReadonlyArray<number>): number => {
  const mean = counts.reduce((sum, count) => sum + count, 0) / counts.length
  return counts.reduce((sum, count) => sum + (count - mean) ** 2 / mean, 0)
}
/** Where one run in a million would be above it, for many degrees of freedom (Wilson–Hilferty). */
const critical = (degrees: number): number => {
  const z = 4.753
  return degrees * (1 - 2 / (9 * degrees) + z * Math.sqrt(2 / (9 * degrees))) ** 3
}

describe("the draw", () => {
  it.each([1, 2, 3, 4, 5, 7, 10, 97, 100, 101, 1_000, 4_099])(
    "gives each of %i numbers a place of its own, and finds the number again",
    (drawn) => {
      const { placeOf, numberAt } = permutationOf({ queueId, seed: seedOf(drawn), drawn })
      const places = numbersTo(drawn).map(placeOf)
      expect(places.toSorted((a, b) => a - b)).toEqual(numbersTo(drawn))
      expect(places.map(numberAt)).toEqual(numbersTo(drawn))
    }
  )

  it("gives every number every place alike: chi-squared over 4,000 draws of 10", () => {
    const drawn = 10
    const counts = new Array<number>(drawn * drawn).fill(0)
    for (let n = 0; n < 4_000; n++) {
      const { placeOf } = permutationOf({ queueId, seed: seedOf(n), drawn })
      for (const number of numbersTo(drawn)) {
        counts[(number - 1) * drawn + placeOf(number) - 1]!++
      }
    }
    expect(chiSquared(counts)).toBeLessThan(critical((drawn - 1) ** 2))
  })

  it("favours neither early users nor neighbours: chi-squared over one draw of 100,000", () => {
    const drawn = 100_000
    const { placeOf } = permutationOf({ queueId, seed: seedOf(1), drawn })
    const places = numbersTo(drawn).map(placeOf)
    // By tenths: the places of each tenth of the numbers, and the distance between neighbours.
    const tenth = (place: number) => Math.floor(((place - 1) * 10) / drawn)
    const early = new Array<number>(100).fill(0)
    const apart = new Array<number>(10).fill(0)
    for (let i = 0; i < drawn; i++) {
      early[tenth(i + 1) * 10 + tenth(places[i]!)]!++
      if (i > 0)
        apart[Math.floor(((places[i]! - places[i - 1]! + drawn) % drawn) * (10 / drawn))]!++
    }
    expect(chiSquared(early)).toBeLessThan(critical(81))
    expect(chiSquared(apart)).toBeLessThan(critical(9))
  })

  it("is another one for another seed, queue or count", () => {
    const base = { queueId, seed: seedOf(1), drawn: 1_000 }
    const places = (draw: typeof base) => numbersTo(900).map(permutationOf(draw).placeOf)
    const same = places(base)
    expect(places({ ...base })).toEqual(same)
    for (const other of [
      { ...base, seed: seedOf(2) },
      { ...base, queueId: "vip" as QueueId },
      { ...base, drawn: 1_001 }
    ]) {
      const hits = places(other).filter((place, i) => place === same[i]).length
      expect(hits).toBeLessThan(15)
    }
  })

  it("can be checked by any client", () => {
    const draw = { queueId, seed: seedOf(7), drawn: 5, commitment: commitmentOf(seedOf(7)) }
    const { kept, places } = verifyLottery(draw, numbersTo(5))
    expect(kept).toBe(true)
    expect(places).toEqual(numbersTo(5).map(permutationOf(draw).placeOf))
    expect(verifyLottery({ ...draw, seed: seedOf(8) }, []).kept).toBe(false)
    for (const number of [0, 6, 1.5, Number.NaN]) {
      expect(() => verifyLottery(draw, [number])).toThrow(RangeError)
    }
  })
})
