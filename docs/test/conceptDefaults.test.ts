import { BatchSettings, defaultPolicies } from "@boxoffice/core"
import { seatCountsPerBatch } from "@boxoffice/core/store"
import { Effect } from "effect"
import { expect, test } from "vitest"
import { readPage, tableBehind } from "./markdown.ts"

const { batchers, capacity, batchSize } = Effect.runSync(BatchSettings)
const { queue, ...policies } = defaultPolicies

/** A number as prose has it: 20,000. */
const inProse = (value: number) => value.toLocaleString("en")
/** A number as code has it: 20_000. */
const inCode = (value: number) => inProse(value).replaceAll(",", "_")

test.each([
  `has ${batchers} batchers by default`,
  `at most ${inProse(batchSize)} commands`,
  `a batch of holds has at most ${seatCountsPerBatch}`,
  `If ${inProse(capacity)} commands wait`,
  `\`{ batchers: ${batchers}, capacity: ${inCode(capacity)}, batchSize: ${inCode(batchSize)} }\``,
  `\`holdSeconds\`, ${policies.holdSeconds} by default`,
  `\`sessionSeconds\`, ${queue.sessionSeconds} by default`,
  `\`claimSeconds\`, ${queue.claimSeconds} by default`,
  `\`catalogMaxAgeMs\` ago, ${policies.catalogMaxAgeMs / 1_000} second by default`,
  `\`queueMaxAgeMs\` ago, ${policies.queueMaxAgeMs / 1_000} seconds by default`
])("the concepts state a default as the code has it: %s", (statement) => {
  expect(readPage("docs/concepts.md")).toContain(statement)
})

test("the page of the policies states their defaults as the code has them", () => {
  const stated = tableBehind("docs/policies.md", "# Policies").flatMap(([name, value]) => {
    const [, written] = value!.match(/^`(\d+)`$/) ?? []
    return written === undefined ? [] : [[name!.replaceAll("`", ""), Number(written)] as const]
  })
  expect(stated.map(([name]) => name)).toEqual([
    "holdSeconds",
    "seatsPerReservation",
    "seatsPerUser"
  ])
  expect(policies).toMatchObject(Object.fromEntries(stated))
})

test("the page of the policies names every policy", () => {
  const page = readPage("docs/policies.md")
  expect(Object.keys(defaultPolicies).filter((name) => !page.includes(`\`${name}\``))).toEqual([])
})
