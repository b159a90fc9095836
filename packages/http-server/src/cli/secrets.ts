/** Finds secrets that protect nothing: too short, published, or easy to guess. */

// This secret is public, so the queue tokens of the demo prove nothing.
export const demoSecret = "box-office-demo-key-not-for-any-other-use"

/** Secrets of this project's pages, and of the page on which most people create their first JWT. */
const published = [
  "a secret of at least thirty-two bytes",
  "your-256-bit-secret",
  "a-string-secret-at-least-256-bits-long"
]

const words =
  /pass(?:word|wd|phrase)|qwertyuiop|qwerty|asdfghjkl|zxcvbnm|boxoffice|box-office|change|default|example|letmein|welcome|secret|ticket|admin|token|test|user|root|demo|key|1234567890|12345678|123456|1234|123/g

// The minimum of characters, and of different ones, in a secret without these words.
const restMin = 8
const differentMin = 6

const isPublished = "is printed where anybody can read it, in an example or as the demo's key."

/**
 * Why no server may start with a secret, as the rest of a sentence that begins with its setting.
 */
export const faultOf = (secret: string, bytesMin: number): string | undefined => {
  if (Buffer.byteLength(secret) < bytesMin) return `must have ${bytesMin} bytes or more.`
  return secret.includes(demoSecret) ? isPublished : undefined
}

/** Why no server in production may start with it, in the same form. */
export const weaknessOf = (secret: string, bytesMin: number): string | undefined => {
  const fault = faultOf(secret, bytesMin)
  if (fault !== undefined) return fault
  if (published.some((known) => secret.includes(known))) return isPublished
  const piece = periodOf(secret.toLowerCase())
  const rest = piece.replaceAll(words, "").replaceAll(/[\s_.-]/g, "")
  const isGuessable =
    piece.length < bytesMin ||
    isSequence(piece) ||
    rest.length < restMin ||
    new Set(rest).size < differentMin
  return isGuessable
    ? "can be guessed: it repeats itself, counts, or consists of words such as password."
    : undefined
}

/** The shortest prefix whose repetition makes the text. */
const periodOf = (text: string): string => {
  for (let length = 1; length <= text.length / 2; length++) {
    if (text.startsWith(text.slice(length))) return text.slice(0, length)
  }
  return text
}

/** Whether most characters are neighbours of the previous one, as in `abcdef`. */
const isSequence = (text: string): boolean => {
  let near = 0
  for (let i = 1; i < text.length; i++) {
    if (Math.abs(text.charCodeAt(i) - text.charCodeAt(i - 1)) <= 1) near++
  }
  return near >= (text.length - 1) * 0.75
}
