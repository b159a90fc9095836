/** Names in code that a page links to the file that has them: ``[`Batcher`](../packages/…)``. */
import { existsSync, globSync, readFileSync } from "node:fs"
import { dirname, join, relative } from "node:path"
import { readPage, root } from "./markdown.ts"

export interface CodeName {
  readonly name: string
  /** A path from the root. */
  readonly file: string
}

const links = /\[`([^`]+)`\]\(([^)#]+\.ts)\)/g

/** The links of a text of a page, from a name in code to a source file. */
export const codeNamesIn = (page: string, text: string): ReadonlyArray<CodeName> =>
  Array.from(text.matchAll(links), ([, name, path]) => ({
    name: name!,
    file: join(dirname(page), path!)
  }))

/** Whether a source has a name, as a whole word. Of `a.b` it has to have both parts. */
export const isNamedIn = ({ name, file }: CodeName): boolean => {
  if (!existsSync(join(root, file))) return false
  const source = readFileSync(join(root, file), "utf8")
  return name.split(".").every((part) => new RegExp(`(?<![\\w$])${part}(?![\\w$])`).test(source))
}

/** A page, with the links of names that are exported from another file by now led to that file. */
export const withMovedNames = (page: string): string =>
  readPage(page).replaceAll(links, (link: string, name: string, path: string) => {
    if (isNamedIn({ name, file: join(dirname(page), path) })) return link
    const [file, ...others] = exporting(name.split(".")[0]!)
    if (file === undefined || others.length > 0) return link
    return `[\`${name}\`](${relative(dirname(page), file)})`
  })

const exporting = (name: string): ReadonlyArray<string> =>
  globSync("packages/*/src/**/*.ts", { cwd: root }).filter((file) =>
    new RegExp(`^export (?:const|class|interface|type) ${name}\\b`, "m").test(
      readFileSync(join(root, file), "utf8")
    )
  )

/** The links of a page whose file does not have the name, or does not exist. */
export const missingNames = (page: string): ReadonlyArray<CodeName> =>
  codeNamesIn(page, withMovedNames(page)).filter((name) => !isNamedIn(name))
