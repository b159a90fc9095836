import { expect, test } from "vitest"
import { soak } from "../../src/soak/command.ts"
import { toReport, verdictOf } from "../../src/soak/report.ts"

// Far too short to tell what grows: it shows that the load runs without a fault, that everything is
// measured, and that the report has it.
test("a soak of seconds serves every kind of request and measures all there is", async () => {
  const soaked = await soak({ seconds: 8, visitors: 12 })
  expect(soaked.faults).toEqual([])
  const codes = Object.keys(soaked.codes)
  for (const operation of ["join", "poll", "dates", "seats", "hold", "charge", "pay", "refund"]) {
    expect(codes).toContain(`${operation} ok`)
  }
  const names = soaked.series.names()
  for (const name of [
    "heap 1",
    "connections",
    "table outbox",
    "behind soak",
    "behind webhook:sink"
  ]) {
    expect(names).toContain(name)
  }
  expect(soaked.did["webhooks taken"]).toBeGreaterThan(0)
  expect(soaked.did["events consumed"]).toBeGreaterThan(0)
  const { markdown, plots } = toReport(soaked, "soak")
  expect(markdown).toContain("| connections |")
  expect(verdictOf(soaked).text).toMatch(/^Too short to judge: \d samples? after the warm-up/)
  expect(Object.keys(plots)).toContain("soak-1.svg")
  expect(plots["soak-1.svg"]).toContain("<path")
})
