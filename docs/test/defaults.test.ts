/** Checks the defaults that the pages state against the constants of the engine and the store. */
import { BatchSettings, defaultPolicies, PolicySettings } from "@boxoffice/core"
import { Effect, Schema } from "effect"
import { expect, test } from "vitest"
import { defaultWaits } from "../../packages/sql-store/src/connection/waits.ts"
import { readPage, tableBehind } from "./markdown.ts"

const withoutTicks = (cell: string | undefined): string => (cell ?? "").replaceAll("`", "")

const statedIn = (page: string, heading: string): ReadonlyMap<string, string> =>
  new Map(
    tableBehind(page, heading).map(([name, value]) => [withoutTicks(name), withoutTicks(value)])
  )

/** Settings of milliseconds and seconds, by the variable that sets them. */
const variableOf = (name: string): string =>
  `BOXOFFICE_${name.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`

const configuration = "docs/configuration.md"

test("docs/configuration.md states the defaults of the policies", () => {
  const stated = statedIn(configuration, "## Policies")
  const { queue, catalogMaxAgeMs: _, gateMaxAgeMs: __, ...policies } = defaultPolicies
  const inCode = [
    ...Object.entries(policies).map(([name, value]) => [variableOf(name), String(value)] as const),
    ...Object.entries(queue).map(
      ([name, value]) => [variableOf(name).replace("_", "_QUEUE_"), String(value)] as const
    )
  ]
  const { BOXOFFICE_SWEEP_SECONDS, ...rest } = Object.fromEntries(stated)
  expect(rest).toEqual(Object.fromEntries(inCode))
  expect(BOXOFFICE_SWEEP_SECONDS).toBe("1")
})

test("docs/configuration.md states the waits of the store", () => {
  const stated = statedIn(configuration, "## The database")
  const { connectWithinMs: _, ...waits } = defaultWaits
  for (const [name, value] of Object.entries(waits)) {
    expect({ name, value: stated.get(variableOf(name)) }).toEqual({ name, value: String(value) })
  }
})

test("docs/configuration.md states the defaults of the batches", () => {
  const batches = Effect.runSync(BatchSettings)
  const stated = Array.from(
    readPage(configuration).matchAll(/^\| `(batchers|capacity|batchSize)` \| `(\d+)` \|/gm),
    ([, name, value]) => [name!, Number(value)] as const
  )
  expect(Object.fromEntries(stated)).toEqual({ ...batches })
})

test("docs/policies.md states the defaults of the policies", () => {
  const stated = statedIn("docs/policies.md", "# Policies")
  const numbers = ["holdSeconds", "seatsPerReservation", "seatsPerUser"] as const
  for (const name of numbers) {
    expect({ name, value: stated.get(name) }).toEqual({ name, value: `${defaultPolicies[name]}` })
  }
  expect(stated.get("walletCeiling")).toBe("2^53−1")
  expect(defaultPolicies.walletCeiling).toBe(2n ** 53n - 1n)
  expect(stated.get("gate")).toBe("all six operations")
  expect(defaultPolicies.gate).toHaveLength(6)
})

test("docs/policies.md states defaults, bounds and variables of the policies that are values", () => {
  const [, table] = readPage("docs/policies.md").split("can only be values:\n")
  const rows = Array.from(
    table!.matchAll(/^\| `(\w+)` \| `(\w+)` \| (?:0 to (\d+))?.*\| (host only|`(\w+)`) \|$/gm),
    ([, name, value, most, , variable]) => ({ name: name!, value: value!, most, variable })
  )
  expect(rows).toHaveLength(6)
  const { fields } = PolicySettings
  for (const { name, value, most, variable } of rows) {
    const policy = name as keyof typeof defaultPolicies
    expect({ name, value }).toEqual({ name, value: String(defaultPolicies[policy]) })
    if (variable !== undefined) expect(variable).toBe(variableOf(name))
    if (most === undefined) continue
    const isAllowed = Schema.is(fields[policy] as Schema.Codec<unknown>)
    expect([0, Number(most), -1, Number(most) + 1].map((ms) => isAllowed(ms))).toEqual([
      true,
      true,
      false,
      false
    ])
  }
})
