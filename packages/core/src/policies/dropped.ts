/** What a function of the host's gave that cannot be waited for. */

const hasThen = (value: unknown): value is PromiseLike<unknown> =>
  typeof value === "object" &&
  value !== null &&
  typeof (value as { readonly then?: unknown }).then === "function"

/**
 * Handles the rejections of promises that are dropped: of the value, and of what is right in it. One
 * that nobody handles ends the process.
 */
export const handleDropped = (value: unknown): void => {
  const parts = typeof value === "object" && value !== null ? Object.values(value) : []
  for (const part of [value, ...parts]) {
    if (hasThen(part)) part.then(undefined, () => {})
  }
}
