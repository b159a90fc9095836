/**
 * Checks the options that a host gives before the engine uses them. Each check throws a `TypeError`
 * that names the option: otherwise the engine would silently ignore a misspelt one.
 */

/** Former names of options with the new ones: the error for a host that still uses one has both. */
const renamed: ReadonlyArray<readonly [before: string, now: string]> = [
  ["lanes", "batches"],
  ["lanes", "batchers"]
]

/** Refuses a value that is no object, and unknown names. `what` names the value in the message. */
export const checkNames = (
  what: string,
  given: unknown,
  known: ReadonlyArray<string>
): Readonly<Record<string, unknown>> => {
  const options = checkObject(what, given, `an object with some of ${known.join(", ")}`)
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined || known.includes(name)) continue
    const [, now] = renamed.find(([before, now]) => before === name && known.includes(now)) ?? []
    if (now !== undefined) throw new TypeError(`\`${name}\` is called \`${now}\` now.`)
    const meant = known.find((other) => isLike(name, other))
    const hint = meant === undefined ? "" : ` Did you mean "${meant}"?`
    throw new TypeError(
      `"${name.slice(0, 100)}" is not known among ${what}.${hint} Known are ${known.join(", ")}.`
    )
  }
  return options
}

/** Refuses a value that is no plain object. */
export const checkObject = (
  what: string,
  given: unknown,
  expected: string
): Readonly<Record<string, unknown>> => {
  if (typeof given === "object" && given !== null && !isOther(given)) {
    return given as Readonly<Record<string, unknown>>
  }
  throw new TypeError(`${what}: expected ${expected}, not ${kindOf(given)}.`)
}

const isOther = (given: object): boolean =>
  Array.isArray(given) || given instanceof Map || given instanceof Set

/** The kind of a value for a message. It leaves out the value, which can be a secret. */
export const kindOf = (value: unknown): string => {
  if (value === null || value === undefined) return String(value)
  if (typeof value === "string") return value === "" ? "an empty text" : "a text"
  if (typeof value !== "object") return `a ${typeof value}`
  if (Array.isArray(value)) return "a list"
  const { name } = (Object.getPrototypeOf(value)?.constructor ?? {}) as { readonly name?: string }
  return name === undefined || name === "Object" ? "an object" : `a ${name}`
}

/**
 * Whether a name may be a misspelling of another: at most two letters differ, or it is a part of
 * it.
 */
const isLike = (name: string, other: string): boolean => {
  const [given, meant] = [name.toLowerCase(), other.toLowerCase()]
  if (given.length > 40) return false
  return (given.length > 3 && meant.includes(given)) || lettersApart(given, meant) <= 2
}

/** The edit distance of two words: how many letters to add, remove or change. */
export const lettersApart = (from: string, to: string): number => {
  let row = Array.from({ length: to.length + 1 }, (_, at) => at)
  for (let i = 1; i <= from.length; i++) {
    const next = [i]
    for (let j = 1; j <= to.length; j++) {
      const changed = row[j - 1]! + (from[i - 1] === to[j - 1] ? 0 : 1)
      next.push(Math.min(changed, row[j]! + 1, next[j - 1]! + 1))
    }
    row = next
  }
  return row[to.length]!
}
