import { expect, test } from "vitest"
import { checkHistory } from "../../src/histories/checker/check.ts"
import { Judge } from "../../src/histories/checker/judge.ts"
import { encryptedConnections } from "../../src/histories/facts.ts"
import { reportOf, summaryOf, verdictOf } from "../../src/histories/report/report.ts"
import { drawHistory } from "./drawHouse.ts"
import { find, replaceCall, rightHistory } from "./house.ts"

test("a report has the counts of calls, faults and checks, every finding, and a timeline", () => {
  const history = rightHistory()
  replaceCall(history, find.call(history, "charge"), { outcome: "unknown", code: "timeout" })
  const fault = { target: "postgres", beganAt: 10_000, endedAt: 12_000 }
  Object.assign(history, { faults: [{ fault: "immediate stop of Postgres", ...fault }] })
  const verdict = checkHistory(history)
  const { markdown, timeline } = reportOf(history, verdict, "reports/histories.md")
  expect(markdown).toContain("| charge | 0 | 0 | 1 |")
  expect(markdown).toContain("| all | 15 | 0 | 1 |")
  expect(markdown).toContain("| unknown timeout | 1 |")
  expect(markdown).toContain("| immediate stop of Postgres | 1 |")
  expect(markdown).toContain("| was not asked about again | 1 |")
  expect(markdown).toContain("- **I14**: call 5 (charge of ada on server-1) got no answer")
  expect(markdown).toContain("![Timeline](histories.svg)")
  expect(timeline).toContain(">immediate stop of Postgres</text>")
  expect(summaryOf(history, verdict)).toContain("Seed 1: 16 calls to 2 nodes")
})

test("a report counts what only some runs have", () => {
  const history = drawHistory()
  Object.assign(history.run, { tls: true, pooled: ["server-2"] })
  history.facts.log.push({ text: encryptedConnections, count: 7 })
  const { markdown } = reportOf(history, checkHistory(history), "histories.md")
  const counts = [
    ["draws checked", 1],
    ["numbers that took part in them", 3],
    ["streams opened", 2],
    ["stream messages", 4],
    ["connections with TLS", 7],
    ["nodes behind PgBouncer", 1]
  ]
  for (const [what, count] of counts) expect(markdown).toContain(`| ${what} | ${count} |`)
})

test("a history without findings says so", () => {
  const history = rightHistory()
  const verdict = checkHistory(history)
  expect(reportOf(history, verdict, "histories.md").markdown).toContain("every invariant held")
})

test("the last lines count the findings, tell the first one, and say what to do next", () => {
  const history = rightHistory()
  expect(verdictOf(history, checkHistory(history), "h.ndjson")).toBe(
    "Every promise held: 16 calls, 0 faults. The history is h.ndjson"
  )
  for (const operation of ["pay", "charge"] as const) {
    const change = { outcome: "unknown", code: "timeout" } as const
    replaceCall(history, find.call(history, operation), change)
  }
  const lines = verdictOf(history, checkHistory(history), "h.ndjson").split("\n")
  expect(lines[0]).toMatch(/^FAILED: \d+ findings: .*2 of I14/)
  expect(lines[1]).toMatch(/^The first, of a call at 50.0 s: I14: call 5 \(charge of ada/)
  expect(lines[2]).toBe(
    "To check it again: npx --yes pnpm@12 reliability histories --check h.ndjson"
  )
  expect(lines[3]).toBe("The logs of nodes and of Postgres: h.ndjson.logs")
})

test("findings that are too many to tell are counted", () => {
  const judge = new Judge()
  for (let n = 0; n < 30; n++) judge.expect("I6", false, () => `call ${n} is gone`)
  const verdict = judge.verdict()
  expect(verdict.findings).toHaveLength(20)
  expect(verdictOf(rightHistory(), verdict, "h")).toMatch(/^FAILED: 30 findings: 30 of I6\./)
})
