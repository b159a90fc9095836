import { afterAll, beforeAll, expect, test } from "vitest"
import { parseJson } from "../src/http/strictJson.ts"
import { openHouse, seatsOf, startServer, type TestServer } from "./support.ts"

// Operators send large bodies, also by mistake: the refusal must be small and fast.

let server: TestServer
beforeAll(async () => {
  server = await startServer()
  await openHouse(server.talk)
})
afterAll(() => server.stop())

const seats = "/v1/admin/performances/gala-1/seats"
const codes = "/v1/admin/queues/main/codes"
const headers = { "Content-Type": "application/json" }
const many = (count: number, element: string) => `[${Array(count).fill(element).join(",")}]`
const mebibytes = 1_024 * 1_024

test.each<[name: string, path: string, body: () => string, message: string | RegExp]>([
  ["a text of 15 MB", seats, () => JSON.stringify("x".repeat(15 * mebibytes)), ""],
  ["a text of 15 MB for a list", seats, () => `{"seats":"${"x".repeat(15 * mebibytes)}"}`, ""],
  ["a text of escapes", seats, () => `{"seats":"${"\\n".repeat(7 * mebibytes)}"}`, ""],
  [
    "two million numbers",
    seats,
    () => `{"seats":${many(2_000_000, "1")}}`,
    "expected shorter lists"
  ],
  [
    "two million lists",
    seats,
    () => `{"seats":${many(2_000_000, "[[]]")}}`,
    "expected shorter lists"
  ],
  [
    "more elements than are taken, each of them wrong",
    seats,
    () => `{"seats":${many(100_001, "{}")}}`,
    /length between 1 and 100000/
  ],
  [
    "more seats than are taken, each of them right",
    seats,
    () => `{"seats":${many(110_000, JSON.stringify(seatsOf(["A"], 1)[0]))}}`,
    /length between 1 and 100000/
  ],
  [
    "more codes than are taken",
    codes,
    () => `{"codes":${many(10_001, '""')}}`,
    /1 to 10,000 codes/
  ],
  [
    "a million names",
    seats,
    () => `{${Array.from({ length: 900_000 }, (_, i) => `"k${i}":1`).join(",")}}`,
    "expected fewer names in an object"
  ],
  [
    "brackets without end",
    seats,
    () => "[".repeat(7 * mebibytes) + "]".repeat(7 * mebibytes),
    "expected less nesting"
  ],
  [
    "more of a user's seats than are taken, each of them wrong",
    "/v1/reservations",
    () => `{"performanceId":"gala-1","seatIds":${many(20_000, '""')}}`,
    /length between 1 and 200/
  ]
])("%s", async (_, path, body, message) => {
  const ask = { admin: true, user: "ada", body: body(), headers }
  const answer = await server.talk("POST", path, ask)
  expect(answer).toMatchObject({ status: 400, body: { code: "request_invalid" } })
  expect(answer.body.errors).toHaveLength(1)
  expect(answer.body.errors[0].message).toMatch(message)
  expect(JSON.stringify(answer.body).length).toBeLessThan(1_000)
})

test("a body beyond the limit is not read, and that of a caller without rights only up to the usual limit", async () => {
  const body = JSON.stringify("x".repeat(100_000))
  const stranger = await server.talk("POST", seats, { body, headers })
  expect(stranger).toMatchObject({ status: 401, body: { code: "identity_required" } })
  const large = JSON.stringify({ codes: ["x".repeat(1.1 * mebibytes)] })
  const answer = await server.talk("POST", codes, { admin: true, body: large, headers })
  expect(answer).toMatchObject({ status: 413, body: { code: "body_too_large" } })
})

test("what is within bounds is read as ever, quotes and brackets in texts included", () => {
  const value = {
    'a\\"[{': ["\\", '"', '\\\\"', "[[[[{{{{::::,,,,"],
    nested: JSON.parse("[".repeat(30) + "]".repeat(30))
  }
  expect(parseJson(new TextEncoder().encode(JSON.stringify(value)))).toEqual(value)
})
