import { readFileSync } from "node:fs"
import { stripTypeScriptTypes } from "node:module"
import { join } from "node:path"
import { expect, inject, test } from "vitest"
import { exemptions } from "../../src/mutations/exemptions.ts"
import { type Guard, guardsIn, readGuards, root } from "../../src/mutations/guards.ts"
import { sampleOf } from "../../src/mutations/sample.ts"
import { findingsIn, unguarded, uselessExemptions } from "../../src/mutations/scan.ts"
import { readSchemaGuards, withoutGuard } from "../../src/mutations/schema.ts"

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
