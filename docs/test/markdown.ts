/** The parts of Markdown that the tests look at. */
import { globSync, readFileSync } from "node:fs"
import { dirname } from "node:path"
import { fileURLToPath } from "node:url"

export const root: string = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

/** The pages that are written for readers, as paths from the root. */
export const pages: ReadonlyArray<string> = globSync(
  ["*.md", "docs/**/*.md", "examples/*/*.md", "packages/*/*.md"],
  {
    cwd: root,
    exclude: ["**/node_modules/**", "**/CHANGELOG.md", "docs/reference/**", "docs/.vitepress/**"]
  }
).sort()

export const readPage = (page: string): string => readFileSync(`${root}/${page}`, "utf8")

export interface CodeBlock {
  readonly page: string
  /** Where its first line of code is, from 1. */
  readonly line: number
  readonly language: string
  /** What stands behind the language. */
  readonly info: string
  readonly text: string
}

/** The fenced code blocks of a page, those in lists included. */
export const codeBlocks = (page: string): ReadonlyArray<CodeBlock> => {
  const source = readPage(page)
  return Array.from(source.matchAll(/^( *)```(\S*) ?(.*)\n([\s\S]*?)^\1```$/gm), (match) => ({
    page,
    line: source.slice(0, match.index).split("\n").length + 1,
    language: match[2]!,
    info: match[3]!,
    text: match[4]!.replaceAll(new RegExp(`^${match[1]}`, "gm"), "")
  }))
}

/** The examples in the doc comments of the packages, as blocks of the file that they are in. */
export const docExamples: ReadonlyArray<CodeBlock> = globSync("packages/*/src/**/*.ts", {
  cwd: root
})
  .sort()
  .flatMap((page) => {
    const source = readPage(page)
    const example = /^( *\* )@example\n\1```ts\n([\s\S]*?)^\1```$/gm
    return Array.from(source.matchAll(example), (match) => ({
      page,
      line: source.slice(0, match.index).split("\n").length + 2,
      language: "ts",
      info: "",
      text: match[2]!.replaceAll(/^ *\* ?/gm, "")
    }))
  })

/** The cells of a table's rows, the head left out, of the first table behind a heading. */
export const tableBehind = (
  page: string,
  heading: string
): ReadonlyArray<ReadonlyArray<string>> => {
  const [, section] = `\n${readPage(page)}`.split(`\n${heading}\n`)
  const table = section?.match(/(^\|.*\n)+/m)?.[0] ?? ""
  return table
    .trim()
    .split("\n")
    .slice(2)
    .map((row) =>
      row
        .split(/(?<!\\)\|/)
        .slice(1, -1)
        .map((cell) => cell.trim())
    )
}
