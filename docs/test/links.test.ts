import { existsSync, globSync } from "node:fs"
import { dirname, join, normalize } from "node:path"
import { describe, expect, test } from "vitest"
import { pages, readPage, root } from "./markdown.ts"

/** As GitHub makes them. */
const anchors = (page: string): ReadonlyArray<string> =>
  Array.from(readPage(page).matchAll(/^#+ (.+)$/gm), ([, heading]) =>
    heading!
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}_ -]/gu, "")
      .replaceAll(" ", "-")
  )

const sources = globSync(
  "{packages,docs,examples,bench,reliability,test-support,scripts}/**/*.{ts,sql}",
  {
    cwd: root,
    exclude: ["**/node_modules/**", "**/dist/**"]
  }
)
/** What a reader is asked to make. */
const ofReaders = ["docs/try.ts"]

describe.each(pages)("%s", (page) => {
  test("links to what exists", () => {
    const links = Array.from(
      readPage(page).matchAll(/\]\((?!https?:)([^)\s]+)\)/g),
      ([, link]) => link!
    )
    const broken = links.filter((link) => {
      const [path, anchor] = link.split("#")
      const target = path === "" ? page : normalize(join(dirname(page), path!))
      if (!existsSync(join(root, target))) return true
      return anchor !== undefined && !anchors(target).includes(anchor)
    })
    expect(broken).toEqual([])
  })

  test("names source files that exist", () => {
    const named = Array.from(
      readPage(page).matchAll(/`((?:[\w-]+\/)*[\w-]+(?:\.test)?\.(?:ts|sql))`/g),
      ([, name]) => name!
    )
    const isThere = (name: string) =>
      ofReaders.includes(name) || sources.some((file) => `/${file}`.endsWith(`/${name}`))
    expect(named.filter((name) => !isThere(name))).toEqual([])
  })
})
