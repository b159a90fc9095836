/** Parses JSON from clients strictly: bounded work, and no ambiguous objects. */

/** The text is not JSON, or is ambiguous. */
export class JsonInvalid extends Error {
  readonly path: string
  constructor(message: string, path = "") {
    super(message)
    this.path = path
  }
}

const utf8 = new TextDecoder("utf-8", { fatal: true })
const tokens = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\]:,]/g

/**
 * The value of a JSON text in UTF-8. Refuses an object that has a name twice: a parser that keeps
 * the first value and one that keeps the last would see different requests.
 */
export const parseJson = (bytes: Uint8Array): unknown => {
  let text: string
  try {
    text = utf8.decode(bytes)
  } catch {
    throw new JsonInvalid("expected UTF-8")
  }
  refuseUnwieldy(text)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new JsonInvalid("expected JSON")
  }
  try {
    refuseDuplicates(text)
  } catch (error) {
    // A text with millions of escapes exceeds the backtracking limit of the regular expression.
    throw error instanceof RangeError ? new JsonInvalid("expected shorter texts") : error
  }
  return value
}

// Above what any valid body has, whatever its size. Parsing a body beyond these limits takes
// seconds.
const nestingMax = 32
const namesMax = 1_000
const elementsMax = 200_000

/** Checks the structure of a text before it is parsed; the check takes little time and memory. */
const refuseUnwieldy = (text: string): void => {
  const names: Array<number> = []
  const commas: Array<number> = []
  let depth = 0
  for (let i = 0; i < text.length; i++) {
    switch (text.charCodeAt(i)) {
      case quote:
        i = endOfText(text, i)
        break
      case openBrace:
      case openBracket:
        depth++
        // Guard json-nesting: without it, bulk.test "brackets without end" fails.
        if (depth > nestingMax) throw new JsonInvalid("expected less nesting")
        names[depth] = 0
        commas[depth] = 0
        break
      case closeBrace:
      case closeBracket:
        depth--
        break
      case colon:
        // Guard json-names: with "++names[depth]! < 0" for "++…namesMax", bulk.test "a million names" fails.
        if (++names[depth]! > namesMax) throw new JsonInvalid("expected fewer names in an object")
        break
      case comma:
        // Guard json-elements: with "++commas[depth]! < 0" for "++…elementsMax", bulk.test "two million" fails.
        if (++commas[depth]! >= elementsMax) throw new JsonInvalid("expected shorter lists")
    }
  }
}

const [quote, openBrace, openBracket, closeBrace, closeBracket, colon, comma] = [...'"{[}]:,'].map(
  (char) => char.charCodeAt(0)
)

/** The end of a JSON string: the next quote that is not escaped. */
const endOfText = (text: string, begin: number): number => {
  for (let end = text.indexOf('"', begin + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let at = end
    while (text[at - 1] === "\\") at--
    if ((end - at) % 2 === 0) return end
  }
  return text.length
}

/** The text is valid JSON at this point, so looking at its tokens is enough. */
const refuseDuplicates = (text: string): void => {
  const objects: Array<Set<string> | undefined> = []
  let last = ""
  for (const [token] of text.matchAll(tokens)) {
    if (token === "{") objects.push(new Set())
    else if (token === "[") objects.push(undefined)
    else if (token === "}" || token === "]") objects.pop()
    else if (token === ":") {
      const names = objects.at(-1)!
      const name = last.includes("\\") ? JSON.parse(last) : last.slice(1, -1)
      // Guard json-name-once: without it, requests.test "a name twice" fails.
      if (names.has(name)) throw new JsonInvalid("expected each name once", name)
      names.add(name)
    } else last = token
  }
}
