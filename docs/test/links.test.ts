import { existsSync } from "node:fs"
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
})
