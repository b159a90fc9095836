/** What a function of the host's gave that cannot be waited for. */

// Deeper, and more of it, no answer is that anybody asked for.
const depthMax = 8
const partsMax = 10_000

/**
 * Handles the rejections of promises that are dropped: of the value, and of whatever is in it. One
 * that nobody handles ends the process. Never throws, whatever the value does when it is looked at.
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

const attempt = <A>(look: () => A): A | undefined => {
  try {
    return look()
  } catch {
    return undefined
  }
}
