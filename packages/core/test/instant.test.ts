import { Result, Schema } from "effect"
import { describe, expect, test } from "vitest"
import { Instant, isSmall, toRequestInvalid } from "../src/schema.ts"

const decode = Schema.decodeUnknownResult(Instant)

describe("an instant", () => {
  test.each([
    ["2030-01-01T12:00:00Z", "2030-01-01T12:00:00.000Z"],
    ["2030-01-01t12:00:00.5z", "2030-01-01T12:00:00.500Z"],
    ["2030-01-01T12:00:00.123456+09:00", "2030-01-01T03:00:00.123Z"],
    ["2028-02-29T00:00:00-00:00", "2028-02-29T00:00:00.000Z"],
    ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z"]
  ])("%s is read as it is meant", (text, expected) => {
    const read = decode(text)
    expect(Result.isSuccess(read) && read.success.toISOString()).toBe(expected)
  })

  test.each([
    "2031-06-01T19:30:00",
    "2031-06-01",
    "2030-02-30T19:00:00Z",
    "2029-02-29T19:00:00Z",
    "2030-13-01T19:00:00Z",
    "2030-01-01T24:00:00Z",
    "2030-01-01T19:60:00Z",
    "2030-01-01T19:00:00+24:00",
    "0000-01-01T00:00:00Z",
    "+010000-01-01T00:00:00Z",
    "-004713-01-01T00:00:00Z",
    "07/04/2030",
    "1",
    "foo 5",
    "",
    " 2030-01-01T12:00:00Z",
    "2030-01-01 12:00:00Z"
  ])("%s is none", (text) => {
    const read = decode(text)
    const { errors } = toRequestInvalid(
      Result.isFailure(read) ? read.failure : expect.unreachable()
    )
    expect(errors).toHaveLength(1)
    expect(errors[0]!.message).toMatch(/^expected /)
  })
})

test("a refusal lists twenty problems and counts the rest", () => {
  const decode = Schema.decodeUnknownResult(Schema.Array(Schema.Int), { errors: "all" })
  const read = decode(Array.from({ length: 500 }, () => "x"))
  const { errors } = toRequestInvalid(Result.isFailure(read) ? read.failure : expect.unreachable())
  expect(errors).toHaveLength(21)
  expect(errors[20]).toEqual({ path: "", message: "and 480 more problems" })
})

test("what has many parts is not looked at as a whole", () => {
  expect(isSmall({ seatIds: ["A1", "A2"] })).toBe(true)
  expect(isSmall({ seatIds: Array.from({ length: 20_000 }, () => "") })).toBe(false)
  expect(isSmall(Array.from({ length: 900 }, () => ({ a: [1, 2] })))).toBe(false)
})
