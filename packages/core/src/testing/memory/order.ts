/** What statements sort by. */

/** The order of the "C" collation: by the bytes of UTF-8. JavaScript compares UTF-16. */
export const compareBytes = (a: string, b: string): number =>
  isAscii(a) && isAscii(b)
    ? a < b
      ? -1
      : a > b
        ? 1
        : 0
    : Buffer.compare(Buffer.from(a), Buffer.from(b))

const isAscii = (text: string): boolean => {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 127) return false
  return true
}

export const byText =
  <A>(key: (row: A) => string) =>
  (a: A, b: A): number =>
    compareBytes(key(a), key(b))

/** Each text once, in order. */
export const sortedTexts = <Text extends string>(texts: Iterable<Text>): ReadonlyArray<Text> =>
  Array.from(new Set(texts)).sort(compareBytes)

export const greater = (a: bigint, b: bigint): bigint => (a > b ? a : b)
