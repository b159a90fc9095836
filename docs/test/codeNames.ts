/** Names in code that a page links to the file that has them: ``[`Batcher`](../packages/…)``. */
import { existsSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { readPage, root } from "./markdown.ts"

export interface CodeName {
  readonly name: string
  /** A path from the root. */
  readonly file: string
}

/** The links of a text of a page, from a name in code to a source file. */
export const codeNamesIn = (page: string, text: string): ReadonlyArray<CodeName> =>
  Array.from(text.matchAll(/\[`([^`]+)`\]\(([^)#]+\.(?:ts|sql))\)/g), ([, name, path]) => ({
    name: name!,
    file: join(dirname(page), path!)
  }))

/** Whether a source has a name, as a whole word. Of `a.b` it has to have both parts. */
export const isNamedIn = ({ name, file }: CodeName): boolean => {
  if (!existsSync(join(root, file))) return false
  const source = readFileSync(join(root, file), "utf8")
  return name.split(".").every((part) => new RegExp(`(?<![\\w$])${part}(?![\\w$])`).test(source))
}

/** The links of a page whose file does not have the name, or does not exist. */
export const missingNames = (page: string): ReadonlyArray<CodeName> => {
  const names = codeNamesIn(page, readPage(page)).filter(({ name }) => !name.endsWith(".ts"))
  if (names.length === 0) throw new Error(`${page} links no name in code`)
  return names.filter((name) => !isNamedIn(name))
}
