/** Mistakes in options are reported at once, by the name of the option. */
import { Layer } from "effect"
import { describe, expect, it } from "vitest"
import { layerOf, layerSweeper, makeBoxOffice } from "../src/index.ts"
import { layerMemory } from "../src/testing.ts"
import { signingKeys } from "./support.ts"

const make = (options: unknown, store: unknown = layerMemory) =>
  makeBoxOffice(store as never, options as never)

describe("invalid options", () => {
  const secret = "hunter2 hunter2 hunter2 hunter2 hunter2"
  it.each<[unknown, string]>([
    [undefined, "the options: expected an object with some of signingKeys, policies"],
    [null, "the options: expected"],
    ["x", "the options: expected"],
    [{ signingKeys, polcies: {} }, '"polcies" is not known among the options. Did you mean "poli'],
    [
      { signingKeys, sweep: 1 },
      'Did you mean "sweepEvery"? Known are signingKeys, policies, batches'
    ],
    [{}, "signingKeys: expected secrets of at least 32 bytes by their ids"],
    [{ signingKeys: secret }, "signingKeys: expected secrets"],
    [{ signingKeys: [secret] }, "signingKeys: expected secrets"],
    [{ signingKeys: new Map([["k1", secret]]) }, "not a Map."],
    [{ signingKeys: { k1: undefined } }, "signingKeys.k1: expected secrets"],
    [{ signingKeys: { k1: Buffer.from(secret) } }, "not a Buffer."],
    [
      { signingKeys, policies: 5 },
      "policies: expected an object of policies by name, not a number."
    ],
    [
      { signingKeys, policies: null },
      "policies: expected an object of policies by name, not null."
    ],
    [{ signingKeys, batches: { batcher: 2 } }, 'Did you mean "batchers"?'],
    // The former names of two options.
    [{ signingKeys, lanes: { lanes: 2 } }, "`lanes` is called `batches` now."],
    [{ signingKeys, batches: { lanes: 2 } }, "`lanes` is called `batchers` now."],
    [
      { signingKeys, batches: { batchSize: 0 } },
      "batches.batchSize: expected a whole number from 1 on."
    ],
    [{ signingKeys, batches: { capacity: Number.NaN } }, "batches.capacity: expected"],
    ...[
      -1,
      0,
      Number.NaN,
      Number.POSITIVE_INFINITY,
      2 ** 31,
      0.5,
      "x",
      "",
      "-1 seconds",
      "0 seconds"
    ]
      .concat([null, true, 5n, {}] as never)
      .map((sweepEvery): [unknown, string] => [
        { signingKeys, sweepEvery },
        "sweepEvery: expected milliseconds from 1 to 2147483647, or a text such as"
      ])
  ])("%o are refused", async (options, message) => {
    const error = await make(options).catch((error) => error)
    expect(error).toBeInstanceOf(TypeError)
    expect(error.message).toContain(message)
    expect(error.message).not.toContain("hunter2")
    expect(() => layerOf(options as never)).toThrow(TypeError)
  })

  it.each([undefined, null, {}, "pglite"])("a store that is %o is refused", async (store) => {
    await expect(make({ signingKeys }, store ?? null)).rejects.toThrow(
      "The store: expected a layer"
    )
  })

  it.each([-1, 0, Number.NaN, Number.POSITIVE_INFINITY])(
    "a sweeper every %o is refused",
    (every) => {
      expect(() => layerSweeper(every)).toThrow("layerSweeper: expected milliseconds from 1")
    }
  )

  it("valid options are accepted, also as undefined", async () => {
    for (const sweepEvery of [false, undefined, 1_000, "1 second", "0.5 seconds", "200 millis"]) {
      expect(Layer.isLayer(layerOf({ signingKeys, sweepEvery } as never))).toBe(true)
    }
    const none = { policies: undefined, batches: undefined, other: undefined }
    await (await make({ signingKeys, ...none })).close()
  })
})

it.each([undefined, null, 5, "x", {}])("%o is refused as a transaction", async (given) => {
  await using office = await make({ signingKeys })
  expect(() => office.within(given as never)).toThrow(/^within: expected a transaction, such as/)
})
