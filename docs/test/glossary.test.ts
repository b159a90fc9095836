import { expect, test } from "vitest"
import { codeNamesIn, isNamedIn, missingNames, withMovedNames } from "./codeNames.ts"
import { readPage, root } from "./markdown.ts"

// After names have moved to other files, this test writes the links again:
// `npx --yes pnpm@12 test docs/test/glossary.test.ts -u`.

const page = "docs/glossary.md"
/** The rows of all its tables, without their heads. */
const rows = readPage(page)
  .split("\n")
  .filter((line) => line.startsWith("| ") && !line.startsWith("| term |"))
  .map((line) => line.split("|").map((cell) => cell.trim()))

const repeatedIn = (texts: ReadonlyArray<string>) =>
  texts.filter((text, index) => texts.indexOf(text) !== index)

test("every term has its name in code, what it is, and what it is not", () => {
  expect(rows.length).toBeGreaterThan(50)
  for (const [, term, code, is, isNot, ...rest] of rows) {
    expect(rest, term).toEqual([""])
    expect(codeNamesIn(page, code!), term).toHaveLength(1)
    expect(is, term).not.toBe("")
    expect(isNot, term).not.toBe("")
  }
})

test("every name in code is in the file that it links to", async () => {
  expect(missingNames(page)).toEqual([])
  await expect(withMovedNames(page)).toMatchFileSnapshot(`${root}/${page}`)
})

test("no term appears twice, and no name in code stands for two terms", () => {
  expect(repeatedIn(rows.map(([, term]) => term!.toLowerCase()))).toEqual([])
  expect(repeatedIn(rows.map(([, , code]) => code!))).toEqual([])
})

test("a name counts as a whole word", () => {
  const file = "packages/core/src/engine/Batcher.ts"
  expect(isNamedIn({ name: "Batcher", file })).toBe(true)
  expect(isNamedIn({ name: "Batche", file })).toBe(false)
  expect(isNamedIn({ name: "Batcher", file: "packages/core/src/NoSuchFile.ts" })).toBe(false)
})
