import { exampleEvents } from "@boxoffice/core/testing"
import { expect, test } from "vitest"
import { tableBehind } from "./markdown.ts"

const rows = tableBehind("docs/events.md", "## What there is").map(([type, , fields]) => {
  const named = Array.from(fields!.matchAll(/`(\w+\??)`/g), ([, name]) => name!)
  return { type: type!.replaceAll("`", ""), fields: named }
})

test("every type of event is listed, and no other", () => {
  expect(rows.map(({ type }) => type)).toEqual(exampleEvents.map(({ _tag }) => _tag))
})

test.each(exampleEvents)("$_tag is listed with its fields", (event) => {
  const { fields } = rows.find(({ type }) => type === event._tag)!
  const written = fields.map((field) => field.replace("?", ""))
  // The examples have every field that there can be; what is within one may be told as well.
  const own = Object.keys(event).filter((name) => name !== "_tag" && name !== "at")
  const within = Object.values(event).flatMap((value) =>
    typeof value === "object" && value !== null ? Object.keys(value) : []
  )
  expect(written).toEqual(expect.arrayContaining(own))
  expect(written.filter((name) => !own.includes(name) && !within.includes(name))).toEqual([])
})
