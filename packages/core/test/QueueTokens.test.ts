import { createHmac } from "node:crypto"
import { Effect, Redacted, Result } from "effect"
import { describe, expect, it } from "vitest"
import type { QueueId, TokenId, UserId } from "../src/Ids.ts"
import { QueueTokenInvalid, QueueTokenRequired } from "../src/queue/errors.ts"
import { testId } from "../src/testing.ts"
import { type QueueTokenPayload, readQueueToken } from "../src/token/format.ts"
import { QueueTokens, SigningKeysInvalid } from "../src/token/QueueTokens.ts"

const secretOf = (id: string) => `the secret of ${id}, of at least 32 bytes`
const keysOf = (...ids: ReadonlyArray<string>) =>
  ids.map((id) => ({ id, secret: Redacted.make(secretOf(id)) }))
/** Verifies with and without a memory, seen for the first time and again: all have to agree. */
const queueTokensWith = (
  ...ids: ReadonlyArray<string>
): Pick<typeof QueueTokens.Service, "sign" | "verify"> => {
  const { sign, verify, verifyCached } = Effect.runSync(
    QueueTokens.pipe(Effect.provide(QueueTokens.layer(keysOf(...ids))))
  )
  return {
    sign,
    verify: (token, userId) => {
      const verified = verify(token, userId)
      for (let time = 0; time < 2; time++) expect(verifyCached(token, userId)).toEqual(verified)
      return verified
    }
  }
}

const ada = "ada" as UserId
const payload: QueueTokenPayload = { queueId: "main" as QueueId, userId: ada, tokenId: testId(1) }
const queueTokens = queueTokensWith("k1")
const token = queueTokens.sign(payload)

const invalid = Result.fail(new QueueTokenInvalid())
const required = Result.fail(new QueueTokenRequired())

/** Pseudo-random numbers below 2^32, the same for the same seed (xorshift). */
const randomFrom = (seed: number) => {
  let state = seed
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state >>> 0
  }
}

describe("a queue token", () => {
  it("is valid for the user that it was signed for", () => {
    expect(queueTokens.verify(token, ada)).toEqual(Result.succeed(payload))
  })

  it("has only characters that a header can carry", () => {
    expect(token).toMatch(/^[A-Za-z0-9._-]+$/)
  })

  it("carries every valid user id, up to the longest", () => {
    for (const id of [
      "a@b.c",
      "김철수",
      "\u{1f39f}".repeat(128),
      '"\\'.repeat(64),
      "x".repeat(128)
    ]) {
      const userId = id as UserId
      const long = { ...payload, userId, queueId: "q".repeat(64) as QueueId }
      expect(queueTokens.verify(queueTokens.sign(long), userId)).toEqual(Result.succeed(long))
    }
  })

  it("is required: without one the call is refused", () => {
    expect(queueTokens.verify(undefined, ada)).toEqual(required)
    expect(queueTokens.verify("", ada)).toEqual(required)
  })

  it("of another user is refused", () => {
    expect(queueTokens.verify(token, "grace" as UserId)).toEqual(invalid)
  })

  it("with any character changed is refused", () => {
    // Every letter of the alphabet: some differ in bits that a lenient reader would not look at.
    const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/=. é"
    for (let i = 0; i < token.length; i++) {
      for (const other of letters) {
        if (other === token[i]) continue
        const forged = token.slice(0, i) + other + token.slice(i + 1)
        expect(queueTokens.verify(forged, ada), `${other} at ${i}`).toEqual(invalid)
      }
    }
  })

  it("with a character added or removed anywhere is refused", () => {
    for (let i = 0; i <= token.length; i++) {
      for (const added of ["A", "=", "\n", " ", "."]) {
        const forged = token.slice(0, i) + added + token.slice(i)
        expect(queueTokens.verify(forged, ada), `${JSON.stringify(added)} at ${i}`).toEqual(invalid)
      }
      if (i === token.length) continue
      const cut = token.slice(0, i) + token.slice(i + 1)
      expect(queueTokens.verify(cut, ada), `cut at ${i}`).toEqual(invalid)
    }
  })

  it("with another payload under an old signature is refused", () => {
    const [prefix, keyId, , signature] = token.split(".")
    const claims = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url")
    for (const forged of [["main", "grace", testId(1)], ["vip", "ada", testId(1)], [], null, 0]) {
      const text = [prefix, keyId, claims(forged), signature].join(".")
      expect(queueTokens.verify(text, ada)).toEqual(invalid)
      expect(queueTokens.verify(text, "grace" as UserId)).toEqual(invalid)
    }
  })

  it("with an empty or missing signature is refused", () => {
    const body = token.slice(0, token.lastIndexOf("."))
    for (const text of [body, `${body}.`, `${body}..`, "...", ".", "bo1", "bo1.k1.."]) {
      expect(queueTokens.verify(text, ada)).toEqual(invalid)
    }
  })

  it("of an unknown key is refused", () => {
    expect(queueTokensWith("k2").verify(token, ada)).toEqual(invalid)
    for (const keyId of ["__proto__", "constructor", ""]) {
      expect(queueTokens.verify(token.replace(".k1.", `.${keyId}.`), ada)).toEqual(invalid)
    }
  })

  it("of a key with the same id and another secret is refused", () => {
    const others = QueueTokens.layer([{ id: "k1", secret: Redacted.make(secretOf("k2")) }])
    const other = Effect.runSync(QueueTokens.pipe(Effect.provide(others)))
    expect(other.verify(token, ada)).toEqual(invalid)
  })

  it("with a token id that is no UUID is refused", () => {
    const odd = queueTokens.sign({ ...payload, tokenId: "1" as TokenId })
    expect(queueTokens.verify(odd, ada)).toEqual(invalid)
  })

  it("of more than 1,024 characters is refused, signed or not", () => {
    expect(queueTokens.verify(token + "A".repeat(1_024), ada)).toEqual(invalid)
    expect(queueTokens.verify("A".repeat(10_000_000), ada)).toEqual(invalid)
    const userId = "x".repeat(1_024) as UserId
    expect(queueTokens.verify(queueTokens.sign({ ...payload, userId }), userId)).toEqual(invalid)
  })

  it("that is garbage is refused, and nothing throws", () => {
    const seed = Number(process.env.SEED ?? 20300101)
    const random = randomFrom(seed)
    const alphabet = `.AZaz09-_=+/ "[]{},bo1k${"\u0000\n\ud800é김\u{1f39f}"}`
    const scraps = [...token.split("."), "bo1", "k1", ".", "..", "", "null", "[]"]
    for (let round = 0; round < 5_000; round++) {
      let text = ""
      for (let part = random() % 9; part > 0; part--) {
        if (random() % 3 === 0) text += scraps[random() % scraps.length]
        else
          text += Array.from(
            { length: random() % 20 },
            () => alphabet[random() % alphabet.length]
          ).join("")
      }
      if (text === token) continue
      const verified = queueTokens.verify(text, ada)
      expect(verified, `seed ${seed}, round ${round}`).toEqual(text === "" ? required : invalid)
    }
  })

  it("with a valid signature over another kind of text is refused, and nothing throws", () => {
    const { tokenId } = payload
    const places = ["1.5,0,1", "1,2,1", '1,0,"1"', "1,0"].map(
      (place) => `["main","ada","${tokenId}",${place}]`
    )
    const others = ["", "null", "0", "{}", "[", "[1,2,3]", "not json", "[[],{},null]"]
    for (const claims of [...others, ...places]) {
      const body = `bo1.k1.${Buffer.from(claims).toString("base64url")}`
      const signature = createHmac("sha256", secretOf("k1")).update(body).digest("base64url")
      expect(queueTokens.verify(`${body}.${signature}`, ada), claims).toEqual(invalid)
    }
  })
})

describe("signing keys", () => {
  const problemOf = (keys: ReadonlyArray<{ id: string; secret: Redacted.Redacted }>) =>
    Effect.runSync(Effect.flip(QueueTokens.pipe(Effect.provide(QueueTokens.layer(keys)))))

  it("rotate with an overlap: the first signs, all of them verify", () => {
    const before = queueTokensWith("k1")
    const during = queueTokensWith("k2", "k1")
    const after = queueTokensWith("k2")
    const [old, fresh] = [before.sign(payload), during.sign(payload)]
    expect(during.verify(old, ada)).toEqual(Result.succeed(payload))
    expect(during.verify(fresh, ada)).toEqual(Result.succeed(payload))
    expect(after.verify(fresh, ada)).toEqual(Result.succeed(payload))
    expect(after.verify(old, ada)).toEqual(invalid)
    // A node that has not got the new key yet refuses: hand it to every node before it signs.
    expect(before.verify(fresh, ada)).toEqual(invalid)
    expect(queueTokensWith("k1", "k2").verify(fresh, ada)).toEqual(Result.succeed(payload))
  })

  it("are refused if there is none", () => {
    expect(problemOf([])).toBeInstanceOf(SigningKeysInvalid)
  })

  it("are refused if two share an id", () => {
    expect(problemOf(keysOf("k1", "k1")).message).toBe("Queue token keys: two keys share an id.")
  })

  it("are refused under 32 bytes and accepted with 32", () => {
    const keys = (secret: string) => [...keysOf("k1"), { id: "k2", secret: Redacted.make(secret) }]
    expect(problemOf(keys("x".repeat(31))).message).toBe(
      "Queue token keys: key k2 is under 32 bytes."
    )
    // Bytes, not characters.
    for (const secret of ["x".repeat(32), "é".repeat(16)]) {
      expect(() =>
        Effect.runSync(QueueTokens.pipe(Effect.provide(QueueTokens.layer(keys(secret)))))
      ).not.toThrow()
    }
  })

  it.each(["", "a.b", "a b", "x".repeat(17), "é"])("are refused with the id %j", (id) => {
    expect(problemOf(keysOf(id)).message).toContain("an id is 1 to 16")
  })

  it("do not show their secrets in the refusal", () => {
    const short = "hunter2"
    const problem = problemOf([{ id: "k1", secret: Redacted.make(short) }])
    expect(JSON.stringify(problem) + problem.message + problem.stack).not.toContain(short)
  })
})

describe("readQueueToken", () => {
  it("reads user and number without a key", () => {
    expect(readQueueToken(token)).toEqual(payload)
    for (const lane of ["general", "priority"] as const) {
      const placed = { ...payload, entry: { lane, number: 42, issuedAt: 1_893_456_000 } }
      expect(readQueueToken(queueTokens.sign(placed))).toEqual({
        ...payload,
        entry: { lane, number: 42, issuedAt: new Date("2030-01-01T00:00:00Z") }
      })
    }
  })

  it("returns undefined for a text that is no queue token", () => {
    const claims = (value: unknown) =>
      `bo1.k1.${Buffer.from(JSON.stringify(value)).toString("base64url")}.sig`
    for (const text of [
      "",
      "bo1.k1.e30.sig",
      `bo2${token.slice(3)}`,
      `${token}.more`,
      claims([]),
      claims(["main", "ada", "no-uuid"]),
      claims(["main", "ada", payload.tokenId, 0, 0, 0]),
      claims(["main", "ada", payload.tokenId, 1, 2, 0]),
      claims(["main", "x".repeat(2_000), payload.tokenId]),
      // Longer than any genuine one, though it could be read.
      `bo1.k1.${Buffer.from(`["main","ada","${payload.tokenId}"${" ".repeat(999)}]`).toString("base64url")}.sig`
    ]) {
      expect(readQueueToken(text)).toBeUndefined()
    }
  })
})
