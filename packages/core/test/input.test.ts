import { expect, test } from "vitest"
import { RequestInvalid } from "../src/Errors.ts"
import { isSmall, someProblems } from "../src/engine/input.ts"

const message = "unknown field"
const pathOf = (path: string) => someProblems([{ path, message }])[0]?.path

test("a refusal shows no more than the beginning of a path that a client has made up", () => {
  expect(pathOf("x".repeat(100))).toBe("x".repeat(100))
  expect(pathOf("x".repeat(60_000))).toBe(`${"x".repeat(100)}…`)
  expect(pathOf(`${"x".repeat(99)}😀`)).toBe(`${"x".repeat(99)}…`)
})

test("nor is it long in one piece", () => {
  const long = Array.from({ length: 1_000 }, () => ({ path: "x".repeat(1_000), message }))
  const { message: detail, errors } = new RequestInvalid({ errors: someProblems(long) })
  expect(errors).toHaveLength(21)
  expect(detail.length).toBeLessThan(20 * 150)
})

test("an input is small up to a thousand parts, wherever they are, and a huge one is not walked", () => {
  expect(isSmall(Array(1_000).fill(1))).toBe(true)
  expect(isSmall(Array(1_001).fill(1))).toBe(false)
  expect(isSmall(Array(40).fill(Array(40).fill({})))).toBe(false)
  expect(isSmall({ seats: Array(2_000_000).fill(1) })).toBe(false)
})
