import { createHmac } from "node:crypto"
import { describe, expect, it } from "vitest"
import { makeHmac } from "../src/token/hmac.ts"

const nodes = (secret: string, text: string) =>
  createHmac("sha256", secret).update(text).digest("base64url")

describe("the signature of a text", () => {
  it("is Node's HMAC-SHA-256 for secrets and texts of every length around a block", () => {
    for (let secretBytes = 32; secretBytes <= 130; secretBytes += 7) {
      const secret = "s".repeat(secretBytes)
      const { of: mac } = makeHmac(secret, 300)
      for (let length = 0; length <= 300; length += 3) {
        const text = "t".repeat(length)
        expect(mac(text), `${secretBytes} and ${length}`).toBe(nodes(secret, text))
      }
    }
  })

  it("is that of the first test case of RFC 4231 that is a text", () => {
    const mac = Buffer.from(makeHmac("Jefe", 100).of("what do ya want for nothing?"), "base64url")
    expect(mac.toString("hex")).toBe(
      "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    )
  })

  it("distinguishes characters that share their last byte, and does not depend on an earlier text", () => {
    const secret = "é".repeat(40)
    const { of: mac } = makeHmac(secret, 300)
    for (const text of ["b", "\u0162", "\u{1f39f}김", "\ud800", "x".repeat(300), "b", ""]) {
      expect(mac(text)).toBe(nodes(secret, text))
    }
    expect(mac("b")).not.toBe(mac("\u0162"))
  })

  it("is refused for a text that is too long, rather than made of its beginning", () => {
    const { of: mac } = makeHmac("s".repeat(32), 10)
    expect(() => mac("é".repeat(6))).toThrow(RangeError)
    expect(mac("é".repeat(5))).toBe(nodes("s".repeat(32), "é".repeat(5)))
  })

  it("matches only when every letter is equal", () => {
    const { of, matches } = makeHmac("s".repeat(32), 100)
    const mac = of("text")
    expect(matches("text", mac)).toBe(true)
    expect(matches("texts", mac)).toBe(false)
    for (let i = 0; i < mac.length; i++) {
      const [before, after] = [mac.slice(0, i), mac.slice(i + 1)]
      // The same last byte, the same bits of base64, one more, one less.
      const odd = String.fromCharCode(mac.charCodeAt(i) + 256)
      for (const other of [odd, `${mac[i]}=`, "", "="]) {
        expect(matches("text", before + other + after)).toBe(false)
      }
    }
    for (const other of ["", mac.slice(1), `${mac}A`, "é".repeat(43)]) {
      expect(matches("text", other)).toBe(false)
    }
    expect(matches("text", mac)).toBe(true)
  })
})
