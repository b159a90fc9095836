/**
 * HMAC-SHA-256 of short texts, by two one-shot digests (RFC 2104). A poll is this and arithmetic, and
 * `createHmac` sets up a stream for each text: 1.4 µs for a token, where this takes 0.65.
 */
import { hash } from "node:crypto"

const blockBytes = 64
const digestBytes = 32

/** Signs texts of up to `bytesMax` bytes with a secret, as base64url. */
export const macOf = (secret: string, bytesMax: number): ((text: string) => string) => {
  const key = Buffer.alloc(blockBytes)
  const bytes = Buffer.from(secret)
  key.set(bytes.length > blockBytes ? hash("sha256", bytes, "buffer") : bytes)
  const inner = Buffer.concat([key.map((byte) => byte ^ 0x36), Buffer.alloc(bytesMax)])
  const outer = Buffer.concat([key.map((byte) => byte ^ 0x5c), Buffer.alloc(digestBytes)])

  return (text) => {
    const length = Buffer.byteLength(text)
    if (length > bytesMax) throw new RangeError(`${length} bytes are more than ${bytesMax}`)
    inner.write(text, blockBytes)
    const digest = hash("sha256", inner.subarray(0, blockBytes + length), "binary")
    outer.write(digest, blockBytes, "latin1")
    return hash("sha256", outer, "base64url")
  }
}
