/** Matches a path against patterns such as `/v1/shows/:showId`. */

interface Found<A> {
  readonly value: A
  readonly params: Readonly<Record<string, string>>
}

interface Branch<A> {
  readonly exact: Map<string, Branch<A>>
  other?: Branch<A>
  /** The pattern that ends here: its value, and the names of its parameters in order. */
  end?: { readonly value: A; readonly names: ReadonlyArray<string> }
}

/** A literal segment takes precedence over a parameter; the matcher does not backtrack. */
export const makePathMatcher = <A>(
  patterns: Iterable<readonly [pattern: string, value: A]>
): ((path: string) => Found<A> | undefined) => {
  const root: Branch<A> = { exact: new Map() }
  for (const [pattern, value] of patterns) {
    const names: Array<string> = []
    let branch = root
    for (const segment of pattern.split("/")) {
      if (segment.startsWith(":")) {
        names.push(segment.slice(1))
        branch = branch.other ??= { exact: new Map() }
      } else {
        const next = branch.exact.get(segment) ?? { exact: new Map() }
        branch.exact.set(segment, next)
        branch = next
      }
    }
    branch.end = { value, names }
  }
  return (path) => {
    const varied: Array<string> = []
    let branch = root
    for (const segment of path.split("/")) {
      const exact = branch.exact.get(segment)
      const next = exact ?? (segment === "" ? undefined : branch.other)
      if (next === undefined) return undefined
      if (exact === undefined) varied.push(segment)
      branch = next
    }
    if (branch.end === undefined) return undefined
    const params: Record<string, string> = {}
    for (let i = 0; i < varied.length; i++) params[branch.end.names[i]!] = varied[i]!
    return { value: branch.end.value, params }
  }
}
