/** Wrong arguments and empty selections end a command with a sentence, before anything runs. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { parseArgs } from "node:util"
import { expect, onTestFinished, test, vi } from "vitest"
import { amount, sentenceOf, wholeNumber } from "../src/arguments.ts"
import { run as histories } from "../src/histories/histories.ts"
import { run as mutations } from "../src/mutations/run.ts"
import { run as stryker } from "../src/mutations/stryker.ts"
import { run as simulate } from "../src/simulation/command.ts"
import { run as soak } from "../src/soak/command.ts"

/** The sentence with which a command refuses its arguments. */
const refused = async (run: typeof simulate, ...args: ReadonlyArray<string>) =>
  run(args).then(
    (code) => `it ran, and ended with ${code}`,
    (error) => sentenceOf(error)
  )

test("a number is one as a whole, and not below the least", () => {
  expect(wholeNumber("seed", "0", 0)).toBe(0)
  expect(wholeNumber("seeds", "2000")).toBe(2_000)
  expect(amount("minutes", "0.5")).toBe(0.5)
  for (const text of ["foo", "", "-3", "1.5", "1e3", "0", "99999999999999999999"]) {
    expect(() => wholeNumber("seeds", text), text).toThrow("--seeds takes a whole number from 1 on")
  }
  for (const text of ["x", "0", "-1", "NaN"]) expect(() => amount("minutes", text)).toThrow(text)
  expect(() => amount("min", "101", 100)).toThrow("above 0, up to 100")
})

test("an option that there is not, or without its value, is one sentence", () => {
  const said = (...args: ReadonlyArray<string>) => {
    try {
      return String(parseArgs({ args: [...args], options: { seed: { type: "string" } } }))
    } catch (error) {
      return sentenceOf(error)
    }
  }
  expect(said("--sed", "3")).toBe("Unknown option '--sed'.")
  expect(said("--seed", "-3")).toBe("Option '--seed' takes a value that begins with no dash.")
  expect(said("--seed")).toBe("Option '--seed <value>' argument missing.")
  expect(said("3")).toBe("Unexpected argument '3'.")
  expect(sentenceOf(new Error("a fault"))).toBeUndefined()
})

test("simulate refuses what selects nothing, and says what there is", async () => {
  expect(await refused(simulate, "--seed", "foo")).toMatch(/^--seed takes a whole number from 0 on/)
  expect(await refused(simulate, "--theme", "bogus")).toMatch(/There are mixed, rush, limits/)
  expect(await refused(simulate, "--seeds", "1", "--theme", "absence")).toBe(
    "None of the seeds 1 to 1 has the theme absence."
  )
  expect(await refused(simulate, "--mutations", "--only", "zzz")).toMatch(/There are lost-event/)
  expect(await refused(simulate, "--only", "lost-event")).toMatch(/need --mutations/)
})

test("histories refuses a fault that there is not, a history that it would overwrite, and no history", async () => {
  const file = join(mkdtempSync(join(tmpdir(), "history-")), "kept.ndjson")
  onTestFinished(() => rmSync(dirname(file), { recursive: true }))
  expect(await refused(histories, "--check", file)).toMatch(/kept.ndjson cannot be read: ENOENT/)
  writeFileSync(file, "a text\n")
  expect(await refused(histories, "--check", file)).toMatch(/no history: its line 1 is none/)
  writeFileSync(file, "")
  expect(await refused(histories, "--check", file)).toMatch(/no history: the line that says what/)
  expect(await refused(histories, "--history", file)).toMatch(
    /^There is a history in .*another name/
  )
  expect(await refused(histories, "--faults", "earthquake")).toMatch(
    /There are: kill -9 of a node; /
  )
  expect(await refused(histories, "--minutes", "-1")).toMatch(/^Option '--minutes' takes a value/)
  expect(await refused(histories, "--report", "x.txt")).toMatch(/\.md\.$/)
})

test("a history that was cut off is not checked", async () => {
  const file = join(mkdtempSync(join(tmpdir(), "history-")), "cut.ndjson")
  onTestFinished(() => rmSync(dirname(file), { recursive: true }))
  const asked = { client: "a", node: "server-1", operation: "seats", user: "a", input: {} }
  const lines = [{ run: { seed: 1, nodes: [] } }, { invoke: 1, at: 1, ...asked }]
  writeFileSync(file, `${lines.map((line) => JSON.stringify(line)).join("\n")}\n{"end":1,"at"`)
  const log = vi.spyOn(console, "log").mockImplementation(() => {})
  onTestFinished(() => log.mockRestore())
  expect(await histories(["--check", file])).toBe(3)
  expect(log.mock.lastCall?.[0]).toContain(
    "this history has no end: the run was cut off, after 1 call"
  )
})

test("mutations and stryker refuse what is wrong before they start a server", async () => {
  expect(await refused(mutations, "--sample", "foo")).toMatch(/^--sample takes a whole number/)
  expect(await refused(mutations, "--only", "(")).toMatch(/^--only takes a regular expression/)
  expect(await refused(mutations, "--find", "own,no.test.ts")).toBe(
    "There is no test file no.test.ts."
  )
  expect(await refused(stryker, "--min", "x")).toMatch(/^--min takes a number above 0, up to 100/)
  expect(await refused(stryker, "--only", "zzz")).toMatch(/No decider.*There are Money.ts, /)
})

test("soak refuses a time and visitors that are none", async () => {
  expect(await refused(soak, "--minutes", "0")).toMatch(/^--minutes takes a number above 0/)
  expect(await refused(soak, "--hours", "x")).toMatch(/^--hours takes a number above 0/)
  expect(await refused(soak, "--visitors", "1.5")).toMatch(/^--visitors takes a whole number/)
})
