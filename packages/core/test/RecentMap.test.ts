import { describe, expect, it } from "vitest"
import { RecentMap } from "../src/engine/RecentMap.ts"

const filled = (keep: number, count: number) => {
  const recent = new RecentMap<number, string>(keep)
  for (let key = 0; key < count; key++) recent.set(key, `value ${key}`)
  return recent
}
const found = (recent: RecentMap<number, string>, count: number) =>
  Array.from({ length: count }, (_, key) => key).filter((key) => recent.get(key) !== undefined)

describe("recent values", () => {
  it("are kept as many as are wanted, and never more than twice as many", () => {
    for (const count of [1, 10, 11, 25, 99, 1_000]) {
      const kept = found(filled(10, count), count).length
      expect(kept).toBeGreaterThanOrEqual(Math.min(count, 10))
      expect(kept).toBeLessThanOrEqual(20)
    }
  })

  it("stay for as long as they are used", () => {
    const recent = new RecentMap<number, string>(10)
    recent.set(-1, "used")
    for (let key = 0; key < 1_000; key++) {
      recent.set(key, "once")
      expect(recent.get(-1)).toBe("used")
    }
  })

  it("are the last that were set, and gone once they are deleted", () => {
    const recent = filled(10, 15)
    recent.set(3, "anew")
    expect(recent.get(3)).toBe("anew")
    recent.delete(3)
    recent.delete(14)
    expect(recent.get(3)).toBeUndefined()
    expect(recent.get(14)).toBeUndefined()
    expect(recent.get(12)).toBe("value 12")
  })
})
