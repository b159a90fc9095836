/** The folders of the packages, and which of them imports which. */
import { existsSync, globSync, readFileSync } from "node:fs"
import { dirname, join, relative } from "node:path"
import { root } from "./markdown.ts"

interface Package {
  readonly name: string
  /** Folders that use the services, beside those that the services use. */
  readonly above: ReadonlyArray<string>
  /** Folders within a folder that are drawn apart from it. */
  readonly apart: ReadonlyArray<string>
}

export const packages: ReadonlyArray<Package> = [
  { name: "sql-store", above: ["host"], apart: ["batch/load", "batch/save"] },
  { name: "http-server", above: [], apart: [] }
]

interface Edge {
  readonly from: string
  readonly to: string
  /** Whether the import is of types alone, and so is gone once the code is compiled. */
  readonly isOfTypes: boolean
}

/** Whether a file only lists the exports of others, or starts a process: an edge from it says nothing. */
const isEntryPoint = (file: string, source: string): boolean =>
  file === "bin.ts" || withoutComments(source).replaceAll(reExport, "").trim() === ""

const reExport = /^export\s[^"'`=(]*?\sfrom\s+"[^"]+"/gm

const withoutComments = (source: string): string =>
  source.replaceAll(/\/\*[\s\S]*?\*\//g, "").replaceAll(/^\s*\/\/.*$/gm, "")

/** The edges between the folders of a package, and to other packages. */
const edgesOf = (of: Package): ReadonlyArray<Edge> => {
  const directory = join(root, "packages", of.name, "src")
  const imports = globSync("**/*.ts", { cwd: directory }).flatMap((file) => {
    const source = readFileSync(join(directory, file), "utf8")
    if (isEntryPoint(file, source)) return []
    return importsIn(source).flatMap(({ path, isOfTypes }) => {
      const to = targetOf(directory, file, path)
      return to === undefined ? [] : [{ from: file, to, isOfTypes }]
    })
  })
  const shared = sharedIn(of, imports)
  const folderOf = (file: string) =>
    file.startsWith("@") ? file : nameOf(of, directory, file, shared)
  const found = new Map<string, Edge>()
  for (const { from, to, isOfTypes } of imports) {
    const edge = { from: folderOf(from), to: folderOf(to), isOfTypes }
    if (edge.from === edge.to) continue
    const key = `${edge.from} ${edge.to}`
    found.set(key, { ...edge, isOfTypes: isOfTypes && (found.get(key)?.isOfTypes ?? true) })
  }
  return Array.from(found, ([key, edge]) => ({ key, edge }))
    .sort((a, b) => (a.key < b.key ? -1 : 1))
    .map(({ edge }) => edge)
}

interface Import {
  readonly path: string
  readonly isOfTypes: boolean
}

/** A Mermaid flowchart of the edges. Arrows to `shared` are left out: nearly every folder has one. */
export const diagramOf = (of: Package): string => {
  const lines = drawnEdgesOf(of).map(
    ({ from, to, isOfTypes }) => `    ${idOf(from)} ${isOfTypes ? "-.->" : "-->"} ${idOf(to)}`
  )
  return [titleOf(of), "flowchart TD", ...lines, ""].join("\n")
}

/** The first line of a package's diagram: a comment, by which the diagram is found in a page. */
export const titleOf = ({ name }: Package): string => `%% packages/${name}/src`

const drawnEdgesOf = (of: Package): ReadonlyArray<Edge> =>
  edgesOf(of).filter(({ to }) => to !== "shared")

/** A node's id cannot have a slash; its label can. */
const idOf = (folder: string): string =>
  /^\w+$/.test(folder) ? folder : `${folder.replaceAll(/\W+/g, "_")}["${folder}"]`

/** The edges that a flowchart shows, as texts: `queue --> engine`. */
export const arrowsIn = (diagram: string): ReadonlyArray<string> =>
  Array.from(diagram.matchAll(/^ +(\S+) (-->|-\.->) (\S+)$/gm), ([, from, arrow, to]) =>
    [labelOf(from!), arrow, labelOf(to!)].join(" ")
  )

const labelOf = (node: string): string => node.match(/\["(.*)"\]$/)?.[1] ?? node

/** The import and re-export statements of a source, and its calls of `import`. */
export const importsIn = (source: string): ReadonlyArray<Import> => {
  const statements = source.matchAll(
    /^(?:import|export)\s+(type\s+)?(\*(?:\s+as\s+\w+)?|\w+|(?:\w+\s*,\s*)?\{([^}]*)\})\s+from\s+"([^"]+)"/gm
  )
  const calls = source.matchAll(/^(?!\s*(?:\*|\/\/)).*\bimport\("([^"]+)"\)/gm)
  return [
    ...Array.from(statements, ([, type, , names, path]) => ({
      path: path!,
      isOfTypes: type !== undefined || (names !== undefined && areTypes(names))
    })),
    ...Array.from(source.matchAll(/^import\s+"([^"]+)"/gm), ([, path]) => ({
      path: path!,
      isOfTypes: false
    })),
    ...Array.from(calls, ([, path]) => ({ path: path!, isOfTypes: false }))
  ]
}

const areTypes = (names: string): boolean =>
  names
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "")
    .every((name) => name.startsWith("type "))

/** A file of the same package, or another of the packages; `undefined` for what is not ours. */
const targetOf = (directory: string, file: string, path: string): string | undefined => {
  if (path.startsWith("@boxoffice/")) return path.split("/").slice(0, 2).join("/")
  if (!path.startsWith(".")) return undefined
  return relative(directory, join(directory, dirname(file), path))
}

/** The files at the root that folders below the services import, and what those import at the root. */
const sharedIn = (
  { above }: Package,
  imports: ReadonlyArray<{ readonly from: string; readonly to: string }>
): ReadonlySet<string> => {
  const isAtRoot = (file: string) => !file.includes("/")
  const isBelow = (file: string) => file.includes("/") && !above.includes(file.split("/")[0]!)
  const shared = new Set<string>()
  for (let before = -1; before !== shared.size; ) {
    before = shared.size
    for (const { from, to } of imports) {
      if (isAtRoot(to) && (isBelow(from) || shared.has(from))) shared.add(to)
    }
  }
  return shared
}

const nameOf = (
  { apart }: Package,
  directory: string,
  file: string,
  shared: ReadonlySet<string>
): string => {
  const split = apart.find((folder) => file.startsWith(`${folder}/`))
  if (split !== undefined) return split
  if (file.includes("/")) return file.split("/")[0]!
  // An entry point that is a file and its folder.
  const own = file.replace(/\.ts$/, "")
  if (existsSync(join(directory, own))) return own
  return shared.has(file) ? "shared" : "services"
}
