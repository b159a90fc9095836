/** A seed decides everything: the same seed gives the same log, byte for byte. */
import { execFileSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import { expect, test } from "vitest"
import { planOf } from "../../src/simulation/generate.ts"
import { play } from "../../src/simulation/simulate.ts"

/** The first seed of each theme. */
const seeds = (() => {
  const byTheme = new Map<string, number>()
  for (let seed = 1; seed <= 200; seed++) {
    const { theme } = planOf(seed)
    if (theme !== "absence" && !byTheme.has(theme)) byTheme.set(theme, seed)
  }
  return Array.from(byTheme.values())
})()

const logOf = (seed: number): string => play(planOf(seed)).log.join("\n")

test("a seed gives the same log again, whichever seeds were played before", () => {
  const first = seeds.map(logOf)
  const again = seeds.toReversed().map(logOf).toReversed()
  expect(again).toEqual(first)
  expect(new Set(first).size).toBe(seeds.length)
})

test("another process gives the same log", () => {
  const seed = seeds[0]!
  const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url))
  const args = ["--conditions=boxoffice-source", main, "simulate", "--seed", String(seed)]
  const printed = execFileSync(process.execPath, [...args, "--verbose"], { encoding: "utf8" })
  expect(printed.startsWith(`${logOf(seed)}\n`)).toBe(true)
})

test("a world gives the globals of the process back", () => {
  const before = [Date, setTimeout, setInterval, setImmediate, Math.random, performance.now]
  logOf(seeds[0]!)
  expect([Date, setTimeout, setInterval, setImmediate, Math.random, performance.now]).toEqual(
    before
  )
  expect(Math.abs(Date.now() - performance.timeOrigin - performance.now())).toBeLessThan(60_000)
})
