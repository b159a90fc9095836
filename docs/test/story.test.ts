import { readFileSync } from "node:fs"
import { expect, test } from "vitest"
import { codeBlocks, root } from "./markdown.ts"

const read = (path: string) => readFileSync(`${root}/${path}`, "utf8")
const story = codeBlocks("README.md")
  .find((block) => block.info === "story")!
  .text.trim()

test("the story has six lines", () => {
  expect(story.split("\n")).toHaveLength(6)
})

test("the home of the site tells the same story", () => {
  const told = codeBlocks("docs/README.md").find((block) => block.info === "story")
  expect(told?.text.trim()).toBe(story)
})

test("the module of core tells the same story", () => {
  const [, example] = read("packages/core/src/index.ts").split(/^ \* ```.*$/m)
  expect(example!.replaceAll(/^ \* /gm, "").trim()).toBe(story)
})

test("the quickstart runs the same story, with more between the lines", () => {
  const lines = read("examples/quickstart/src/main.ts").split("\n")
  expect(lines.filter((line) => story.split("\n").includes(line)).join("\n")).toBe(story)
})
