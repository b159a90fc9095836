/** Handles promises that a synchronous function of the host returned. */

// Bounds the search. No valid answer of a policy is deeper or larger.
const depthMax = 8
const partsMax = 10_000

/**
 * Handles the rejections of the promises in a value that the engine drops: of the value itself, and
 * of all that it contains. Node ends the process on a rejection without a handler. Never throws,
 * even if getters of the value do.
 */
export const handleDropped = (value: unknown): void => {
  const seen = new Set<unknown>()
  const handle = (part: unknown, depth: number): void => {
    const isPlain = (typeof part !== "object" && typeof part !== "function") || part === null
    if (isPlain || depth > depthMax || seen.size >= partsMax || seen.has(part)) return
    seen.add(part)
    attempt(() => {
      const { then } = part as { readonly then?: unknown }
      if (typeof then === "function") then.call(part, undefined, () => {})
    })
    for (const inner of attempt(() => Object.keys(part)) ?? []) {
      handle(
        attempt(() => (part as Record<string, unknown>)[inner]),
        depth + 1
      )
    }
  }
  handle(value, 0)
}

const attempt = <A>(read: () => A): A | undefined => {
  try {
    return read()
  } catch {
    return undefined
  }
}
