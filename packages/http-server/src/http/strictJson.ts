/** Reading JSON that somebody else wrote. */

/** What a text says is not JSON, or not unambiguous JSON. */
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
 * The value of a JSON text in UTF-8. Refuses a name that comes twice in one object: who reads the
 * first and who reads the last would see different requests.
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
    // A text with millions of escapes is more than the search can go back over.
    throw error instanceof RangeError ? new JsonInvalid("expected shorter texts") : error
  }
  return value
}

// More than any body here has, whatever its size: to read such a one takes seconds.
const nestingMax = 32
const namesMax = 1_000
const elementsMax = 200_000

/** Looks at the outline of a text, which takes no time or memory to speak of, before it is read. */
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
        if (depth > nestingMax) throw new JsonInvalid("expected less nesting")
        names[depth] = 0
        commas[depth] = 0
        break
      case closeBrace:
      case closeBracket:
        depth--
        break
      case colon:
        if (++names[depth]! > namesMax) throw new JsonInvalid("expected fewer names in an object")
        break
      case comma:
        if (++commas[depth]! >= elementsMax) throw new JsonInvalid("expected shorter lists")
    }
  }
}

const [quote, openBrace, openBracket, closeBrace, closeBracket, colon, comma] = [...'"{[}]:,'].map(
  (char) => char.charCodeAt(0)
)

/** Where a text within the text ends: at the next quote that is not escaped. */
const endOfText = (text: string, begin: number): number => {
  for (let end = text.indexOf('"', begin + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let at = end
    while (text[at - 1] === "\\") at--
    if ((end - at) % 2 === 0) return end
  }
  return text.length
}

/** The text is known to be JSON, so its tokens tell enough. */
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
      if (names.has(name)) throw new JsonInvalid("expected each name once", name)
      names.add(name)
    } else last = token
  }
}
