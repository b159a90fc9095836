import { readFileSync } from "node:fs"
import { stripTypeScriptTypes } from "node:module"
import { join } from "node:path"
import { expect, inject, test } from "vitest"
import { exemptions } from "../../src/mutations/exemptions.ts"
import { type Guard, guardsIn, readGuards, root } from "../../src/mutations/guards.ts"
import { sampleOf } from "../../src/mutations/sample.ts"
import { findingsIn, unguarded, uselessExemptions } from "../../src/mutations/scan.ts"
import { readSchemaGuards, withoutGuard } from "../../src/mutations/schema.ts"
import { summaryOf } from "../../src/mutations/summary.ts"

// Everything about guards that needs no mutation: CI runs a sample of these as well.

const read = (file: string) => readFileSync(join(root, file), "utf8")

/** What the titles of a test file are made of: its text, and that of the suite that it runs. */
const titlesIn = (file: string): string => {
  const suite = ["catalog", "clearing", "events", "fairness", "money", "queue", "reservation"]
  const shared = suite.map((name) => `packages/core/src/testing/conformance/${name}.ts`)
  return [file, ...(file.endsWith("/conformance.test.ts") ? shared : [])].map(read).join("\n")
}

test("each guard's comment can be read, changes code, and names a test that there is", () => {
  const guards = readGuards()
  expect(guards.length).toBeGreaterThan(100)
  for (const { name, file, patched, killedBy } of guards) {
    expect.soft(patched.source !== read(file), name).toBe(true)
    expect.soft(() => stripTypeScriptTypes(patched.source), `${name} in ${file}`).not.toThrow()
    const isThere = titlesIn(killedBy.file).includes(killedBy.title)
    expect.soft(isThere, `${name}: "${killedBy.title}" in ${killedBy.file}`).toBe(true)
  }
})

test("everything in the source that looks like a guard has a comment, or an exemption", () => {
  const found = unguarded(readGuards()).map(
    ({ kind, file, line, text }) => `${file}:${line}: ${kind}: ${text}`
  )
  expect(found).toEqual([])
  expect(uselessExemptions()).toEqual([])
  for (const { reason } of exemptions) expect(reason).toMatch(/^[A-Z].+\.$/)
})

test("each constraint, trigger and unique index of the schema has a test that needs it", async () => {
  const guards = await readSchemaGuards(inject("postgresUrl"))
  expect(guards.length).toBeGreaterThan(80)
  for (const guard of guards) expect.soft(withoutGuard(guard).source).toContain(`${guard.drop};\n`)
})

const guardOf = (source: string): Guard => guardsIn("packages/core/src/example.ts", source)[0]!

test("a patch deletes a statement, deletes a text, or replaces one", () => {
  const source = (change: string) => `const check = (n: number) => {
  // Guard example: ${change}, money.test "pay" fails.
  if (
    n > limit
  ) {
    throw new Error("no")
  }
  return n <= 5 && n >= 0
}`
  const patched = (change: string) => guardOf(source(change)).patched
  expect(patched("without it").source).toBe(`const check = (n: number) => {
  // Guard example: without it, money.test "pay" fails.

  return n <= 5 && n >= 0
}`)
  expect(patched("without it")).toMatchObject({ firstLine: 3, lastLine: 7 })
  expect(patched('without " && n >= 0"').source).toContain("return n <= 5\n")
  expect(patched('with "true" for "n <= 5…0"').source).toContain("return true\n")
  expect(patched('without `("no")`').source).toContain("throw new Error\n")
})

test("a comment that says nothing to change, or names no test, is refused", () => {
  const refused = (comment: string) =>
    expect(() => guardOf(`// Guard ${comment}\nconst a = 1\n`)).toThrow(/example\.ts:1: /)
  refused('example: without it, money.test "pay" passes.')
  refused('Example: without it, money.test "pay" fails.')
  refused('example: without "b", money.test "pay" fails.')
  refused('example: without a, money.test "pay" fails.')
  refused('example: without it, nowhere.test "pay" fails.')
})

test("a comment that is no guard is told with its line and the form, and the others are read", () => {
  const source = `// Guard first: with it, money.test "pay" fails.
const a = 1
// Guard second: without it, money.test "pay" fails.
const b = 2
`
  const problems: Array<string> = []
  const note = ({ message }: Error) => void problems.push(message)
  const guards = guardsIn("packages/core/src/example.ts", source, note)
  expect(guards.map(({ name }) => name)).toEqual(["second"])
  const [place, line, expected] = problems[0]!.split("\n")
  expect(place).toMatch(/packages\/core\/src\/example\.ts:1: what it deletes is not quoted: it$/)
  expect(line).toBe('    // Guard first: with it, money.test "pay" fails.')
  expect(expected).toMatch(/^ {4}expected: \/\/ Guard name: without it, /)
})

test("the last lines repeat each reason, and say how to find the test to name", () => {
  const run = { guards: 8, seconds: 61.2, survivors: [], problems: [] }
  expect(summaryOf(run)).toBe("8 of 8 guards have a test that fails without them (61 s)")
  const where = "packages/core/src/a.ts:1"
  const survivor = { name: "hold-lock", where, test: 'a.test.ts "pay"', verdict: "SURVIVED" }
  const problems = ["packages/core/src/b.ts:2: a row lock without a guard's comment"]
  expect(summaryOf({ ...run, survivors: [survivor], problems }).split("\n")).toEqual([
    "FAILED: 7 of 8 guards have a test that fails without them (61 s); 1 line with a wrong comment or none",
    "  hold-lock: SURVIVED",
    "    packages/core/src/a.ts:1",
    '    a.test.ts "pay"',
    "  packages/core/src/b.ts:2: a row lock without a guard's comment",
    "",
    "To find the tests that fail without a guard, and to name one of them in its comment:",
    "  npx --yes pnpm@12 reliability mutations --only hold-lock --find own",
    "A line that looks like a guard needs a comment (reliability/src/mutations/guards.ts has its",
    "form), or an exemption with its reason in reliability/src/mutations/exemptions.ts."
  ])
})

test("locks, limits and comparisons are found by their form, and comments are not", () => {
  const kindsOf = (line: string) => findingsIn("x.ts", line).map(({ kind }) => kind)
  expect(kindsOf("ORDER BY id FOR NO KEY UPDATE OF t`")).toEqual(["a row lock"])
  expect(kindsOf("SELECT pg_advisory_xact_lock(1)")).toEqual(["an advisory lock"])
  expect(kindsOf("if (a.userId !== b.userId) return")).toEqual(["a comparison of owners"])
  expect(kindsOf("if (bytes > bytesMax) return")).toEqual(["a bound"])
  expect(kindsOf("Effect.timeoutOption(work, limit)")).toEqual(["a deadline"])
  expect(kindsOf("  // It takes the lock FOR UPDATE.")).toEqual([])
  expect(kindsOf(" * if (bytes > bytesMax)")).toEqual([])
})

test("a sample is the same for the same seed, and another for another", () => {
  const all = Array.from({ length: 50 }, (_, n) => ({ name: `guard-${n}` }))
  const monday = sampleOf(all, 10, "2026-11-23")
  expect(monday).toHaveLength(10)
  expect(sampleOf(all, 10, "2026-11-23")).toEqual(monday)
  expect(sampleOf(all, 10, "2026-11-24")).not.toEqual(monday)
  expect(sampleOf(all, 100, "2026-11-24")).toHaveLength(50)
})
