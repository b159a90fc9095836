/** What a guard's comment says to delete or to replace, and how that changes the source. */

/**
 * - `it`: the statement, or the property, behind the comment.
 * - otherwise the first text behind the comment that equals `old`, where `…` in `old` stands for
 *   any text, as short as possible. `replacement` is empty for a deletion.
 */
export type Patch = "it" | { readonly old: string; readonly replacement: string }

export interface Patched {
  readonly source: string
  /** The lines that the patch changes, counted from 1, both included. */
  readonly firstLine: number
  readonly lastLine: number
}

/** A guard stands close to its comment: text further away than this belongs to something else. */
const linesMax = 40

/** Applies a patch to the source, below the comment in `line` (counted from 1). */
export const applyPatch = (source: string, line: number, patch: Patch): Patched | undefined => {
  const lines = source.split("\n")
  const start = lines.slice(0, line).join("\n").length + 1
  const behind = lines.slice(line, line + linesMax).join("\n")
  const found = patch === "it" ? findStatement(behind) : findText(behind, patch.old)
  if (found === undefined) return undefined
  const from = start + found.index
  const to = from + found.length
  const replacement = patch === "it" ? "" : patch.replacement
  return {
    source: source.slice(0, from) + replacement + source.slice(to),
    firstLine: lineAt(source, from),
    lastLine: lineAt(source, to - 1)
  }
}

interface Found {
  readonly index: number
  readonly length: number
}

const findText = (behind: string, old: string): Found | undefined => {
  const pattern = old.split("…").map(escapeRegExp).join("[^]*?")
  const match = new RegExp(pattern).exec(behind)
  return match === null ? undefined : { index: match.index, length: match[0].length }
}

/** From the next line of code to the line that closes every bracket that the statement opens. */
const findStatement = (behind: string): Found | undefined => {
  const lines = behind.split("\n")
  const first = lines.findIndex((line) => line.trim() !== "" && !/^\s*(\/\/|\*|\/\*)/.test(line))
  if (first < 0) return undefined
  let open = 0
  for (let last = first; last < lines.length; last++) {
    open += count(lines[last]!, /[([{]/g) - count(lines[last]!, /[)\]}]/g)
    if (open > 0 || /^\s*(\.|\?|:|&&|\|\|)/.test(lines[last + 1] ?? "")) continue
    const index = lines.slice(0, first).join("\n").length + (first > 0 ? 1 : 0)
    return { index, length: lines.slice(first, last + 1).join("\n").length }
  }
  return undefined
}

const count = (text: string, pattern: RegExp): number => text.match(pattern)?.length ?? 0

const lineAt = (source: string, offset: number): number =>
  source.slice(0, offset).split("\n").length

export const escapeRegExp = (text: string): string =>
  text.replaceAll(/[.*+?^${}()|[\]\\/]/g, "\\$&")
