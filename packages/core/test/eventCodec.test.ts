import { Schema } from "effect"
import { describe, expect, expectTypeOf, test } from "vitest"
import { EventJson, eventVersion } from "../src/events/codec.ts"
import type { BoxOfficeEvent } from "../src/index.ts"
import { decodeEvents, encodeEvents } from "../src/store.ts"
import { exampleEvents, testId, testStart, won } from "../src/testing.ts"

const charged = (amount: bigint) =>
  ({
    _tag: "WalletCharged",
    transferId: testId(1),
    userId: "ada",
    amount: { ...won(0), amount },
    at: testStart
  }) as unknown as BoxOfficeEvent

describe("events as JSON", () => {
  test("the schema describes exactly the events of the engine", () => {
    expectTypeOf<(typeof EventJson)["Type"]>().toEqualTypeOf<BoxOfficeEvent>()
  })

  test.each(exampleEvents)("$_tag survives, and is written as the schema would", (event) => {
    const text = encodeEvents([event])
    expect(decodeEvents(eventVersion, text)).toEqual([event])
    expect(JSON.parse(text)).toEqual([Schema.encodeSync(EventJson)(event)])
  })

  test("there is an example of every kind of event", () => {
    const tags = EventJson.members.map((member) => member.fields._tag.schema.literal)
    expect(exampleEvents.map((event) => event._tag)).toEqual(tags)
  })

  test.each([0n, -1n, 2n ** 53n + 1n, 2n ** 63n - 1n])("an amount of %s survives", (amount) => {
    const text = encodeEvents([charged(amount)])
    expect(JSON.parse(text)[0].amount.amount).toBe(amount.toString())
    expect(decodeEvents(eventVersion, text)).toEqual([charged(amount)])
  })

  test("an unknown event is not skipped", () => {
    expect(() => decodeEvents(1, '[{"_tag":"SeatMoved"}]')).toThrow(/_tag|Expected/)
    expect(() => decodeEvents(2, "[]")).toThrow("events of version 2, and this package knows 1")
    expect(() => decodeEvents(1, "{")).toThrow()
  })

  test("fields of later versions are ignored", () => {
    const [event] = JSON.parse(encodeEvents([charged(1n)]))
    expect(decodeEvents(1, JSON.stringify([{ ...event, later: 1 }]))).toEqual([charged(1n)])
  })
})
