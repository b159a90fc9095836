/** Parses a file of codes: one per line, plain or as a spreadsheet exports a column. */

export interface Line {
  readonly number: number
  readonly code: string
}

/** The non-empty lines, and the numbers of the lines that do not have exactly one code. */
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

/** Removes the quotes of CSV; a quoted code may contain any character. */
const unquoted = (line: string): string | undefined => {
  const quoted = /^"((?:[^"]|"")*)"$/.exec(line)?.[1]
  if (quoted !== undefined) return quoted.replaceAll('""', '"').trim()
  // Outside quotes, these characters mean several columns or a missing quote.
  return /[",;]/.test(line) ? undefined : line
}
