/** Codes as people keep them: one a line, or as a spreadsheet exports the column. */

export interface Line {
  readonly number: number
  readonly code: string
}

/** The lines that have something on them, or the numbers of those that are no single code. */
export const readCodeFile = (
  text: string
): { readonly lines: ReadonlyArray<Line>; readonly unclear: ReadonlyArray<number> } => {
  const lines: Array<Line> = []
  const unclear: Array<number> = []
  for (const [index, raw] of text
    .replace(/^\uFEFF/, "")
    .split(/\r\n|\n|\r/)
    .entries()) {
    const line = raw.trim()
    if (line === "") continue
    const code = unquoted(line)
    if (code === undefined) unclear.push(index + 1)
    else lines.push({ number: index + 1, code })
  }
  return { lines, unclear }
}

/** The quotes of CSV are not part of a code; what they are around may hold any character. */
const unquoted = (line: string): string | undefined => {
  const quoted = /^"((?:[^"]|"")*)"$/.exec(line)?.[1]
  if (quoted !== undefined) return quoted.replaceAll('""', '"').trim()
  // Elsewhere these say that there is more than one column, or that a quote is missing.
  return /[",;]/.test(line) ? undefined : line
}
