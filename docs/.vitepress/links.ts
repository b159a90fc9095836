/** Links between files, as links between pages. */
import { existsSync, readFileSync, statSync } from "node:fs"
import { dirname, join, relative } from "node:path"
import { docs, folder, pathOf } from "./pages.ts"

const root = join(docs, "..")
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
  readonly repository?: { readonly url: string }
}

/** Where the sources can be read, without its last slash. */
export const repository: string | undefined = manifest.repository?.url
  .replace(/^git\+/, "")
  .replace(/\.git$/, "")

/** What a link of a file leads to: a page of the site, or a file of the repository. */
export const linkWithin = (file: string, href: string): string => {
  if (/^(?:[a-z]+:|#|\/)/.test(href)) return href
  const [path = "", anchor] = href.split("#")
  const target = join(dirname(file), decodeURIComponent(path))
  const behind = anchor === undefined ? "" : `#${anchor}`
  const inDocs = relative(docs, target)
  if (!inDocs.startsWith("..")) {
    if (inDocs.endsWith(".md")) return pathOf(inDocs) + behind
    // Of a folder, its index or, where there is none, its first page.
    const [first] = folder(inDocs)
    return first === undefined ? href : pathOf(first) + behind
  }
  if (repository === undefined) return href
  const kind = existsSync(target) && statSync(target).isDirectory() ? "tree" : "blob"
  return `${repository}/${kind}/main/${relative(root, target)}${behind}`
}
