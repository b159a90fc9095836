/** The pages of the documentation: their titles, their addresses, and their order in the sidebar. */
import { globSync, readFileSync } from "node:fs"
import { basename, join } from "node:path"

export const docs: string = join(import.meta.dirname, "..")

/** The file of a page in the site: GitHub calls an index `README.md`, and VitePress `index.md`. */
export const rewrite = (file: string): string => file.replace(/(^|\/)README\.md$/, "$1index.md")

export const titleOf = (file: string): string => {
  const [, title] = readFileSync(join(docs, file), "utf8").match(/^# (.+)$/m) ?? []
  return (title ?? basename(file, ".md")).replaceAll("`", "")
}

/** The address of a file's page. */
export const pathOf = (file: string): string =>
  `/${rewrite(file)
    .replace(/\.md$/, "")
    .replace(/(^|\/)index$/, "$1")}`

/** The pages below a folder, its index first. */
export const folder = (name: string): ReadonlyArray<string> => {
  const files = globSync(`${name}/**/*.md`, { cwd: docs }).sort()
  const isIndex = (file: string) => rewrite(file) === `${name}/index.md`
  return [...files.filter(isIndex), ...files.filter((file) => !isIndex(file))]
}

export interface Section {
  readonly text: string
  readonly files: ReadonlyArray<string>
}

const start = ["README.md", "getting-started.md"]
const concepts = ["concepts.md", "concepts-waiting-room.md", "events.md", "policies.md"]
const operations = [
  "operations.md",
  "operations-waiting-room.md",
  "configuration.md",
  "cli.md",
  "reliability.md",
  "performance.md"
]
/** For reference, and for people who change the code: they come after the pages that explain. */
const last = ["glossary.md", "architecture.md"]

/** The parts of the documentation. A page that is named nowhere here is about a concept. */
export const sections = (): ReadonlyArray<Section> => {
  const top = globSync("*.md", { cwd: docs }).sort()
  const named = [...start, ...concepts, ...operations, ...last]
  const others = top.filter((file) => !named.includes(file))
  return [
    { text: "Start", files: start },
    { text: "Guides", files: folder("guides") },
    { text: "Concepts", files: [...concepts, ...others, ...last] },
    { text: "The seven APIs", files: folder("apis") },
    { text: "Operations", files: operations.filter((file) => top.includes(file)) },
    { text: "Reference", files: folder("reference") },
    { text: "Errors", files: folder("errors") },
    { text: "Decisions", files: folder("decisions") }
  ].filter(({ files }) => files.length > 0)
}
