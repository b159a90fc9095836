import { execFile } from "node:child_process"
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { promisify } from "node:util"
import * as schemas from "@boxoffice/core/schema"
import { Schema } from "effect"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { runProgram } from "../../test-support/runProgram.ts"
import { type CodeBlock, codeBlocks, docExamples, pages, root } from "./markdown.ts"

const schemaOf = (name: string) =>
  Object.entries(schemas).find(([key]) => key === name)![1] as Schema.Codec<unknown, unknown>

const blocks = pages.flatMap(codeBlocks)
const titleOf = ({ page, line }: CodeBlock) => `${page}:${line}`
const named = (some: ReadonlyArray<CodeBlock>) =>
  some.map((block) => ({ title: titleOf(block), block }))

describe("TypeScript", () => {
  // Below docs, where the workspace's packages resolve; and ignored by git.
  const directory = `${root}/docs/.boxoffice/blocks-${process.pid}`
  const isExcerpt = ({ info }: CodeBlock) => info.startsWith("from ")
  const typescript = [
    ...blocks.filter((block) => block.language === "ts" && !isExcerpt(block)),
    ...docExamples
  ]
  const fileOf = (block: CodeBlock) => `${titleOf(block).replaceAll(/[^\w.-]+/g, "-")}.ts`

  // What the six lines on the first page take for granted.
  const prelude = [
    'import { openBoxOffice } from "@boxoffice/sql-store"',
    "declare const database: string",
    "declare const signingKeys: Readonly<Record<string, string>>",
    "declare const queueId: string, userId: string, performanceId: string",
    "declare const seatIds: ReadonlyArray<string>"
  ].join("\n")

  beforeAll(() => {
    mkdirSync(directory, { recursive: true })
    for (const block of typescript) {
      const parts = block.info === "story" ? [prelude, block.text] : [block.text, "export {}\n"]
      writeFileSync(`${directory}/${fileOf(block)}`, parts.join("\n"))
    }
    const config = {
      extends: `${root}/tsconfig.base.json`,
      compilerOptions: {
        noEmit: true,
        declaration: false,
        declarationMap: false,
        allowImportingTsExtensions: true,
        rewriteRelativeImportExtensions: false,
        // A few lines out of a program may leave something unused.
        noUnusedLocals: false
      },
      include: ["*.ts"]
    }
    writeFileSync(`${directory}/tsconfig.json`, JSON.stringify(config))
  })
  afterAll(() => rmSync(directory, { recursive: true, force: true }))

  test("every block has the right types", { timeout: 60_000 }, async () => {
    expect(typescript.length).toBeGreaterThan(0)
    const compiler = `${root}/node_modules/.bin/tsc`
    const { stdout } = await promisify(execFile)(compiler, ["-p", directory]).catch(
      (failed: { readonly stdout: string }) => failed
    )
    // What is wrong elsewhere is for `pnpm check` to say.
    expect(stdout.split("\n").filter((line) => line.startsWith("docs/"))).toEqual([])
  })

  // The file's own types and tests say whether it is right.
  test.each(named(blocks.filter(isExcerpt)))("$title is in the file it is from", ({ block }) => {
    const file = readFileSync(`${root}/docs/${block.info.slice("from ".length)}`, "utf8")
    expect(file).toContain(block.text)
  })

  test.each(["hono", "fastify", "express", "nestjs", "nextjs"])(
    "the guide for %s shows its example",
    (framework) => {
      const shown = blocks.filter(({ page }) => page === `docs/guides/${framework}.md`)
      const isItsOwn = ({ info }: CodeBlock) => info.startsWith(`from ../examples/${framework}/`)
      expect(shown.some(isItsOwn)).toBe(true)
    }
  )

  test.each(named(typescript.filter(({ info }) => info === "run")))(
    "$title runs",
    { timeout: 60_000 },
    async ({ block }) => {
      // A block says behind `// =>` what it prints.
      const expected = Array.from(block.text.matchAll(/\/\/ => (.*)$/gm), ([, line]) => line)
      const printed = await runProgram(new URL(`file://${directory}/${fileOf(block)}`))
      expect(printed.trim().split("\n")).toEqual(expected)
    }
  )
})

describe("JSON", () => {
  const json = blocks.filter(({ language }) => language === "json")

  test.each(named(json))("$title is what the server sends", ({ block }) => {
    const value: unknown = JSON.parse(block.text)
    // The pages of the errors, and that of the configuration, have tests of their own.
    if (["problem", "webhooks", "packages"].includes(block.info)) return
    Schema.decodeUnknownSync(schemaOf(block.info))(value, { onExcessProperty: "error" })
  })
})

describe("commands", () => {
  const scriptsOf = (file: string): ReadonlyArray<string> =>
    Object.keys(JSON.parse(readFileSync(`${root}/${file}`, "utf8")).scripts)
  const lines = blocks
    .filter(({ language }) => language === "sh")
    .flatMap(({ text }) => text.split("\n"))
    .filter((line) => line.includes("pnpm@12"))

  test.each(lines)("%s", (line) => {
    // pnpm's own, rather than a script.
    if (/pnpm@12 (-r|install\b|exec\b)/.test(line)) return
    const [, example, script] = line.match(/pnpm@12 (?:--filter @boxoffice\/example-(\S+) )?(\S+)/)!
    const file = example === undefined ? "package.json" : `examples/${example}/package.json`
    expect(scriptsOf(file)).toContain(script)
  })
})
