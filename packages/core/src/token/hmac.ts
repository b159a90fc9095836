/**
 * HMAC-SHA-256 of short texts, by two one-shot digests (RFC 2104). A poll is this and arithmetic, and
 * `createHmac` sets up a stream for each text: 1.4 µs for a token, where this takes 0.65.
 */
import { hash, timingSafeEqual } from "node:crypto"

const blockBytes = 64
const digestBytes = 32
const hmacLength = 43

export interface Hmac {
  /** The signature of a text, as base64url. */
  readonly of: (text: string) => string
  /** Whether a text has this signature, to the letter, in a time that does not tell how much of it. */
  readonly matches: (text: string, mac: string) => boolean
}

/** Signs texts of up to `bytesMax` bytes with a secret. */
export const makeHmac = (secret: string, bytesMax: number): Hmac => {
  const key = Buffer.alloc(blockBytes)
  const bytes = Buffer.from(secret)
  key.set(bytes.length > blockBytes ? hash("sha256", bytes, "buffer") : bytes)
  const inner = Buffer.concat([key.map((byte) => byte ^ 0x36), Buffer.alloc(bytesMax)])
  const outer = Buffer.concat([key.map((byte) => byte ^ 0x5c), Buffer.alloc(digestBytes)])
  const expected = Buffer.alloc(hmacLength)
  const given = Buffer.alloc(hmacLength)

  const of = (text: string): string => {
    const length = Buffer.byteLength(text)
    if (length > bytesMax) throw new RangeError(`${length} bytes are more than ${bytesMax}`)
    inner.write(text, blockBytes)
    const digest = hash("sha256", inner.subarray(0, blockBytes + length), "binary")
    outer.write(digest, blockBytes, "latin1")
    return hash("sha256", outer, "base64url")
  }
  return {
    of,
    // As text: reading base64 skips what is not base64, and so takes more than one for the same.
    matches: (text, mac) => {
      if (mac.length !== hmacLength) return false
      expected.write(of(text))
      // What is wider than a byte does not fit, and must not leave there what was before.
      return given.write(mac) === hmacLength && timingSafeEqual(given, expected)
    }
  }
}
