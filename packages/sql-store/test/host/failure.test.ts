import { expect, test } from "vitest"
import { sqlErrorOf } from "../../src/host/driverFailure.ts"
import { isConnectionLost, sqlState } from "../../src/sqlFailure.ts"

const failedWith = (fields: object) => sqlErrorOf(Object.assign(new Error("failed"), fields))

test.each([
  ["a write to a closed socket", { code: "EPIPE" }],
  ["the same, as Node says it", { code: "EPIPE", errno: -32, syscall: "write" }],
  ["a read that a signal ended", { code: "EINTR" }],
  ["a reset", { code: "ECONNRESET", syscall: "read" }],
  [
    "a reset that an ORM wraps",
    { code: "P1017", clientVersion: "7.0.0", cause: { code: "EPIPE" } }
  ],
  ["what a driver says of itself", { code: "CONNECTION_CLOSED" }],
  ["no code", {}]
])("the connection is lost: %s", (_, fields) => {
  const error = failedWith(fields)
  expect(sqlState(error)).toBeUndefined()
  expect(isConnectionLost(error)).toBe(true)
})

test.each([
  ["23505", { code: "23505", severity: "ERROR", constraint: "wallet_pkey" }],
  ["40P01", { code: "40P01" }],
  ["P0001", { cause: { code: "P0001" } }],
  ["0A000", { driverError: { code: "0A000" } }],
  ["23505", { code: "P2002", clientVersion: "7.0.0", meta: { originalCode: "23505" } }]
])("the server refused: %s", (state, fields) => {
  const error = failedWith(fields)
  expect(sqlState(error)).toBe(state)
  expect(isConnectionLost(error)).toBe(false)
})
