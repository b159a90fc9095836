import { randomBytes } from "node:crypto"
import { expect, test } from "vitest"
import { demoSecret, weaknessOf } from "../src/cli/secrets.ts"

test.each([
  ["x", /16 bytes/],
  ["a".repeat(32), /guessed/],
  ["passwordpassword", /guessed/],
  ["password12345678", /guessed/],
  ["Password!!!!!!!!", /guessed/],
  ["boxoffice-admin-token", /guessed/],
  ["changemechangemechangeme", /guessed/],
  ["abcdefghijklmnopqrstuvwxyz012345", /guessed/],
  ["0123456789abcdef0123456789abcdef", /guessed/],
  ["qwertyuiopasdfghjkl", /guessed/],
  [demoSecret, /printed/],
  ["a-string-secret-at-least-256-bits-long", /printed/]
])("%s is weak", (secret, problem) => {
  expect(weaknessOf(secret, 16)).toMatch(problem)
})

test("what a machine made is not, and nor is a sentence", () => {
  const strong = Array.from({ length: 2_000 }, (_, i) =>
    randomBytes(16 + (i % 3) * 8).toString((["hex", "base64", "base64url"] as const)[i % 3])
  )
  for (const secret of [...strong, "an operator's token", "correct horse battery staple"]) {
    expect([secret, weaknessOf(secret, 16)]).toEqual([secret, undefined])
  }
})
