import { expect, test } from "vitest"
import { codeNamesIn, missingNames, withMovedNames } from "./codeNames.ts"
import { arrowsIn, diagramOf, importsIn, packages, titleOf } from "./imports.ts"
import { codeBlocks, readPage, root } from "./markdown.ts"

// After a change of imports, and after names have moved to other files, this test writes the page again:
// `npx --yes pnpm@12 test docs/test/architecture.test.ts -u`.

const page = "docs/architecture.md"
const diagrams = codeBlocks(page).filter(({ language }) => language === "mermaid")
const diagramIn = (title: string): string => {
  const found = diagrams.find(({ text }) => text.startsWith(`${title}\n`))
  if (found === undefined) throw new Error(`no diagram begins with: ${title}`)
  return found.text
}

test("the diagrams show the imports between folders: all of them and no others", async () => {
  let renewed = withMovedNames(page)
  const differences: Array<string> = []
  for (const of of packages) {
    const [shown, actual] = [diagramIn(titleOf(of)), diagramOf(of)]
    renewed = renewed.replace(shown, () => actual)
    const [shownArrows, actualArrows] = [arrowsIn(shown), arrowsIn(actual)]
    for (const arrow of actualArrows) {
      if (!shownArrows.includes(arrow)) differences.push(`${of.name} lacks: ${arrow}`)
    }
    for (const arrow of shownArrows) {
      if (!actualArrows.includes(arrow)) differences.push(`${of.name} has too many: ${arrow}`)
    }
  }
  await expect(renewed, differences.join("\n")).toMatchFileSnapshot(`${root}/${page}`)
})

test("every name in code is in the file that it links to", () => {
  expect(codeNamesIn(page, readPage(page)).length).toBeGreaterThan(50)
  expect(missingNames(page)).toEqual([])
})

test("an import counts in whichever way it is written, and not in an example", () => {
  const source = `
import { a, type B } from "./values.ts"
import { type C, type D } from "./types.ts"
import type { E } from "./types2.ts"
import {
  f
} from "./lines.ts"
import "./effects.ts"
export * as Names from "./names.ts"
export { type G } from "./types3.ts"
/**
 * import { h } from "./example.ts"
 * await import("./example2.ts")
 */
const later = await import("./later.ts")
`
  expect(importsIn(source)).toEqual([
    { path: "./values.ts", isOfTypes: false },
    { path: "./types.ts", isOfTypes: true },
    { path: "./types2.ts", isOfTypes: true },
    { path: "./lines.ts", isOfTypes: false },
    { path: "./names.ts", isOfTypes: false },
    { path: "./types3.ts", isOfTypes: true },
    { path: "./effects.ts", isOfTypes: false },
    { path: "./later.ts", isOfTypes: false }
  ])
})
