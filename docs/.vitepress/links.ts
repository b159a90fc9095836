/** Turns links between files into links between pages. */
import { existsSync, readFileSync, statSync } from "node:fs"
import { dirname, join, relative } from "node:path"
import { docs, folder, pathOf } from "./pages.ts"

const root = join(docs, "..")
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
  readonly repository?: { readonly url: string }
}

/** The address of the repository, without a slash at its end. */
export const repository: string | undefined = manifest.repository?.url
  .replace(/^git\+/, "")
  .replace(/\.git$/, "")

/** The target of a link in a file: a page of the site, or a file of the repository. */
export const linkWithin = (file: string, href: string): string => {
  if (/^(?:[a-z]+:|#|\/)/.test(href)) return href
  const [path = "", anchor] = href.split("#")
  const target = join(dirname(file), decodeURIComponent(path))
  const behind = anchor === undefined ? "" : `#${anchor}`
  const inDocs = relative(docs, target)
  if (!inDocs.startsWith("..")) {
    if (inDocs.endsWith(".md")) return pathOf(inDocs) + behind
    // A link to a folder leads to its index, or to its first page if it has no index.
    const [first] = folder(inDocs)
    return first === undefined ? href : pathOf(first) + behind
  }
  if (repository === undefined) return href
  const kind = existsSync(target) && statSync(target).isDirectory() ? "tree" : "blob"
  return `${repository}/${kind}/main/${relative(root, target)}${behind}`
}
