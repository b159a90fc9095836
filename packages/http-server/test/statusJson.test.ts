import type { QueueTokenStatus } from "@boxoffice/core"
import { JoinedQueue, QueueTokenStatus as StatusSchema } from "@boxoffice/core/schema"
import { Arbitrary, Effect, Schema } from "effect"
import { expect, test } from "vitest"
import { joinedJson, statusJson } from "../src/handlers/statusJson.ts"

const encode = Schema.encodeSync(StatusSchema)
const encodeJoined = Schema.encodeSync(JoinedQueue)

const bySchema = (status: QueueTokenStatus) => JSON.stringify(encode(status))

test("a place in line is written as its schema says, to the letter", async () => {
  const samples = await Effect.runPromise(
    Arbitrary.sampleEffect(Arbitrary.schema(StatusSchema), { count: 2_000, seed: "status" })
  )
  expect(samples).toHaveLength(2_000)
  // Both encoders refuse invalid dates.
  const lawful = samples.filter(({ admittedAt, expiresAt, asOf, opensAt }) =>
    [admittedAt, expiresAt, asOf, opensAt].every((at) => !Number.isNaN(at?.getTime() ?? 0))
  )
  expect(lawful.length).toBeGreaterThan(500)
  for (const status of lawful) {
    expect(statusJson(status)).toBe(bySchema(status))
    const joined = { ...status, token: `bo1.${status.queueId}."\\` }
    expect(joinedJson(joined)).toBe(JSON.stringify(encodeJoined(joined)))
  }
  for (const field of ["asOf", "opensAt"] as const) {
    expect(lawful.some((status) => status[field] === undefined)).toBe(true)
    expect(lawful.some((status) => status[field] !== undefined)).toBe(true)
  }
  expect(lawful.some(({ estimatedWait }) => estimatedWait === null)).toBe(true)
  expect(lawful.some(({ estimatedWait }) => estimatedWait !== null)).toBe(true)
})
