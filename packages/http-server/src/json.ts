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
