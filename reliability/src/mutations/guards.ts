/**
 * Reads the guards of the source from the comments beside them. A comment says what to delete or to
 * replace, and which test then fails:
 *
 *     // Guard wallet-lock: without "FOR NO KEY UPDATE", retry.test "lose nothing" fails.
 *     // Guard own-hold: with "false" for "row.userId !==…userId", hold.test "of another" fails.
 *     // Guard limit: without it, reservation.test "more seats than allowed" fails.
 *
 * "It" is the statement behind the comment. A text stands in quotes or backticks, and `…` in it for
 * any text. The test is named by a part of its title, and by its path below the `test` folder of the
 * guard's own package, or of the package whose folder comes first: `core/money.test`.
 */
import { existsSync, globSync, readFileSync } from "node:fs"
import { join, relative } from "node:path"
import { fileURLToPath } from "node:url"
import { applyPatch, type Patch, type Patched } from "./patch.ts"

export const root = fileURLToPath(new URL("../../../", import.meta.url))

export interface KillingTest {
  /** Its path from the root of the repository. */
  readonly file: string
  /** A part of its title. */
  readonly title: string
}

export interface Guard {
  readonly name: string
  /** The path of the source from the root of the repository. */
  readonly file: string
  /** The line of the comment, counted from 1. */
  readonly line: number
  readonly killedBy: KillingTest
  readonly patched: Patched
}

/** A comment that is no guard: what is wrong with it. */
export class GuardInvalid extends Error {}

export const sourceFiles = (): ReadonlyArray<string> =>
  globSync("packages/*/src/**/*.ts", { cwd: root }).sort()

const comment = /^\s*\/\/ Guard\b(.*)$/
const form = /^ ([a-z0-9-]+): (without|with) (.+), (\S+\.test) (["`])([^"`]+)\5 fails\.$/
const quoted = /^(["`])(.+)\1$/s
const replaced = /^(["`])(.*)\1 for (["`])(.+)\3$/s

const expected = '// Guard name: without it, file.test "a part of its title" fails.'

/** What to do with a comment that is no guard; the others are read all the same. */
type OnInvalid = (error: GuardInvalid) => void

const raise: OnInvalid = (error) => {
  throw error
}

export const readGuards = (
  onInvalid: OnInvalid = raise,
  files = sourceFiles()
): ReadonlyArray<Guard> => {
  const names = new Set<string>()
  return files
    .flatMap((file) => guardsIn(file, readFileSync(join(root, file), "utf8"), onInvalid))
    .filter((guard) => {
      const isNew = !names.has(guard.name)
      if (!isNew) onInvalid(invalid(guard, `another guard has the name ${guard.name}`))
      names.add(guard.name)
      return isNew
    })
}

/** The guards of one file. */
export const guardsIn = (
  file: string,
  source: string,
  onInvalid: OnInvalid = raise
): ReadonlyArray<Guard> =>
  source.split("\n").flatMap((text, index) => {
    const said = comment.exec(text)?.[1]
    if (said === undefined) return []
    try {
      return [guardOf({ file, line: index + 1 }, said, source)]
    } catch (error) {
      if (!(error instanceof GuardInvalid)) throw error
      const told = `${error.message}\n    ${text.trim()}\n    expected: ${expected}`
      onInvalid(new GuardInvalid(told))
      return []
    }
  })

const guardOf = (at: Pick<Guard, "file" | "line">, said: string, source: string): Guard => {
  const match = form.exec(said)
  if (match === null) throw invalid(at, "the comment has another form than guards.ts describes")
  const [, name, verb, change, test, , title] = match as unknown as ReadonlyArray<string>
  const patch = patchOf(verb!, change!)
  if (patch === undefined) throw invalid(at, `what it deletes is not quoted: ${change}`)
  const patched = applyPatch(source, at.line, patch)
  if (patched === undefined) throw invalid(at, `it finds nothing to change behind it: ${change}`)
  const killedBy = { file: testFile(at, `${test}.ts`), title: title! }
  return { ...at, name: name!, killedBy, patched }
}

const patchOf = (verb: string, change: string): Patch | undefined => {
  if (verb === "without") {
    if (change === "it") return "it"
    const old = quoted.exec(change)?.[2]
    return old === undefined ? undefined : { old, replacement: "" }
  }
  const match = replaced.exec(change)
  return match === null ? undefined : { old: match[4]!, replacement: match[2]! }
}

const testFile = (guard: Pick<Guard, "file" | "line">, named: string): string => {
  const own = guard.file.split("/").slice(0, 2).join("/")
  const [first, ...rest] = named.split("/")
  const places = [
    `${own}/test/${named}`,
    `packages/${first}/test/${rest.join("/")}`,
    `${first}/test/${rest.join("/")}`
  ]
  const found = places.find((place) => existsSync(join(root, place)))
  if (found === undefined) throw invalid(guard, `there is no test file ${named}`)
  return found
}

const invalid = ({ file, line }: Pick<Guard, "file" | "line">, reason: string): GuardInvalid =>
  new GuardInvalid(`${relative(".", join(root, file))}:${line}: ${reason}`)
