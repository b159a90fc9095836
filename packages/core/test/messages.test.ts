import { Effect, Schema } from "effect"
import { expect, test } from "vitest"
import * as schemas from "../src/schema.ts"
import { toRequestInvalid } from "../src/store.ts"
import { makeTestOffice } from "../src/testing.ts"

// Messages about an input are for people: they say in words what is expected.

const wrongs: ReadonlyArray<unknown> = [
  undefined,
  null,
  true,
  -1,
  0.5,
  2 ** 60,
  10n ** 30n,
  "",
  " ",
  "\u0000",
  "é€",
  "x".repeat(600),
  new Date(Number.NaN),
  [],
  [1, 1],
  ["", ""],
  {},
  { surprise: 1 },
  () => 1,
  Symbol.iterator
]
const ofTheMachine =
  /RegExp|matching|readonly|property|Missing key|\\p\{|\[\^|\bEffect\b|Schema|~|Symbol\(effect/

type AnySchema = Schema.Codec<unknown, unknown>
const fieldsOf = (schema: AnySchema) =>
  (schema as { readonly fields?: Readonly<Record<string, AnySchema>> }).fields

/** The messages of a schema for every wrong input, and those of each of its fields. */
const messagesOf = async (schema: AnySchema, depth = 0): Promise<ReadonlyArray<string>> => {
  const said: Array<string> = []
  for (const side of [schema, Schema.toType(schema) as AnySchema]) {
    const decode = Schema.decodeUnknownEffect(side, { errors: "all" })
    for (const wrong of wrongs) {
      const error = await Effect.runPromise(
        Effect.flip(Effect.andThen(decode(wrong), Effect.fail(undefined)))
      )
      if (error !== undefined)
        said.push(...toRequestInvalid(error).errors.map(({ message }) => message))
    }
  }
  if (depth < 4) {
    for (const field of Object.values(fieldsOf(schema) ?? {}))
      said.push(...(await messagesOf(field, depth + 1)))
  }
  return said
}

const isSchema = (value: unknown): value is AnySchema => Schema.isSchema(value)

test.each(Object.entries(schemas).filter(([, value]) => isSchema(value)))(
  "%s says in words what it wants",
  async (_, schema) => {
    const said = await messagesOf(schema as AnySchema)
    expect(said.filter((message) => ofTheMachine.test(message))).toEqual([])
  }
)

test("an input with an unknown field, or without one that is required, is told so", () => {
  const shape = Schema.Struct({ currency: Schema.String })
  const decode = Schema.decodeUnknownResult(shape, { errors: "all", onExcessProperty: "error" })
  const decoded = decode({ x: 1 })
  if (decoded._tag === "Success") throw new Error("was accepted")
  const { errors, message } = toRequestInvalid(decoded.failure)
  expect(errors).toContainEqual({ path: "currency", message: "required" })
  expect(errors).toContainEqual({ path: "x", message: "unknown field" })
  expect(message).toContain("x: unknown field")
})

test("so does every operation", async () => {
  await using office = await makeTestOffice({ policies: { gate: [] } })
  const { results, events } = office
  const operations = Object.values(results).flatMap((group) =>
    Object.values(group)
  ) as unknown as ReadonlyArray<
    (
      ...args: ReadonlyArray<unknown>
    ) => Promise<{ readonly error?: Error }> | AsyncIterable<unknown>
  >
  const names = [
    "userId",
    "queueId",
    "showId",
    "performanceId",
    "reservationId",
    "paymentId",
    "idempotencyKey"
  ]
  const more = [
    "seatIds",
    "amount",
    "limit",
    "after",
    "codes",
    "uses",
    "title",
    "startsAt",
    "timeZone",
    "seats"
  ]
  const said: Array<string> = []
  for (const wrong of ["\u0000", 5, [], { amount: "x", currency: "x" }]) {
    const input = Object.fromEntries([...names, ...more].map((name) => [name, wrong]))
    for (const operation of operations) {
      const outcome = operation(input, input)
      if (outcome instanceof Promise)
        said.push((await outcome.catch((error) => ({ error }))).error?.message ?? "")
    }
    said.push(await events.remove(wrong as never).then(String, (error) => error.message))
  }
  expect(
    said.filter((message) => message.includes("1 to 128 visible characters")).length
  ).toBeGreaterThan(5)
  expect(said.filter((message) => ofTheMachine.test(message))).toEqual([])
})
