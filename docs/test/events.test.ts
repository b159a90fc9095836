import { newWebhookSecret } from "@boxoffice/core"
import { exampleEvents } from "@boxoffice/core/testing"
import { Effect } from "effect"
import { expect, test } from "vitest"
import { checkEndpoint } from "../../packages/http-server/src/webhooks/endpoint.ts"
import { tableBehind } from "./markdown.ts"

const rows = tableBehind("docs/events.md", "## What there is").map(([type, , fields]) => {
  const named = Array.from(fields!.matchAll(/`(\w+\??)`/g), ([, name]) => name!)
  return { type: type!.replaceAll("`", ""), fields: named }
})

test("every option of a webhook endpoint is listed, with its default", async () => {
  const endpoint = {
    name: "crm",
    url: "https://crm.example/hooks",
    secrets: [newWebhookSecret()]
  }
  const { consumer: _, ...checked } = await Effect.runPromise(checkEndpoint(endpoint))
  const listed = tableBehind("docs/events.md", "### Options of an endpoint").map(
    ([option, stated]) => [option!.replaceAll("`", ""), stated!.replaceAll(/[`,]/g, "")] as const
  )
  const options = Object.keys(checked)
  expect(listed.map(([option]) => option).filter((option) => option !== "secretVariables")).toEqual(
    options
  )
  const defaults = listed.filter(([, stated]) => stated !== "")
  expect(defaults).toEqual(
    Object.entries(checked)
      .filter(([option]) => !(option in endpoint))
      .map(([option, value]) => [option, String(value ?? "all")])
  )
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
