import { createHmac } from "node:crypto"
import { afterAll, afterEach, describe, expect, test, vi } from "vitest"
import {
  aggregateOf,
  isWebhookSecret,
  newWebhookSecret,
  signWebhook,
  verifyWebhook,
  WebhookRefused
} from "../src/index.ts"
import { encodeWebhook } from "../src/store.ts"
import { exampleEvents } from "../src/testing.ts"

const secret = newWebhookSecret()
const other = newWebhookSecret()
const id = "7-1"
const now = 1_900_000_000

const [event] = exampleEvents
const [kind, aggregateId] = aggregateOf(event!)
const body = encodeWebhook({ aggregate: { kind, id: aggregateId }, event: event! })

const signed = (secrets = [secret], timestamp = now) => ({
  "webhook-id": id,
  "webhook-timestamp": String(timestamp),
  "webhook-signature": signWebhook({ id, timestamp, body, secrets })
})
const reasonOf = (received: Partial<Parameters<typeof verifyWebhook>[0]>) => {
  try {
    verifyWebhook({ headers: signed(), body, secrets: [secret], ...received })
    return "verified"
  } catch (error) {
    expect(error).toBeInstanceOf(WebhookRefused)
    return (error as WebhookRefused).reason
  }
}

vi.useFakeTimers({ toFake: ["Date"], now: now * 1_000 })
afterEach(() => vi.setSystemTime(now * 1_000))
afterAll(() => void vi.useRealTimers())

describe("a webhook", () => {
  test.each(exampleEvents)("of $_tag gives its event, typed and exact", (event) => {
    const [kind, aggregateId] = aggregateOf(event)
    const aggregate = { kind, id: aggregateId }
    const body = encodeWebhook({ aggregate, event })
    const signature = signWebhook({ id, timestamp: now, body, secrets: [secret] })
    const headers = { ...signed(), "webhook-signature": signature }
    const expected = { id, aggregate, event }
    expect(verifyWebhook({ headers, body, secrets: [secret] })).toEqual(expected)
    const bytes = new TextEncoder().encode(body)
    const asFetch = { headers: new Headers(headers), body: bytes, secrets: [secret] }
    expect(verifyWebhook(asFetch)).toEqual(expected)
    expect(JSON.parse(body)).toMatchObject({
      type: event._tag,
      timestamp: new Date(event.at).toISOString(),
      version: 1,
      aggregate
    })
  })

  test("is signed as the public scheme says", () => {
    const key = Buffer.from(secret.slice(6), "base64")
    const mac = createHmac("sha256", key).update(`${id}.${now}.${body}`).digest("base64")
    expect(signed()["webhook-signature"]).toBe(`v1,${mac}`)
  })

  test("passes by the old secret and the new one while they rotate", () => {
    expect(reasonOf({ headers: signed([secret, other]), secrets: [other] })).toBe("verified")
    expect(reasonOf({ headers: signed([secret]), secrets: [other, secret] })).toBe("verified")
  })

  test.each([
    ["another secret", { secrets: [other] }, "signature"],
    ["another body", { body: body.replace("ada", "eve") }, "signature"],
    ["another id", { headers: { ...signed(), "webhook-id": "7-2" } }, "signature"],
    ["another time", { headers: { ...signed(), "webhook-timestamp": `${now + 1}` } }, "signature"],
    ["no signature", { headers: { ...signed(), "webhook-signature": undefined } }, "headers"],
    ["two signatures", { headers: { ...signed(), "webhook-signature": ["a", "b"] } }, "headers"],
    [
      "a huge signature",
      { headers: { ...signed(), "webhook-signature": "v1,".repeat(999) } },
      "headers"
    ],
    [
      "a short signature",
      { headers: { ...signed(), "webhook-signature": "v1,c2hvcnQ=" } },
      "signature"
    ],
    ["no time", { headers: { ...signed(), "webhook-timestamp": "yesterday" } }, "headers"],
    ["an old time", { headers: signed([secret], now - 301) }, "timestamp"],
    ["a time to come", { headers: signed([secret], now + 301) }, "timestamp"],
    ["no secret", { secrets: [] }, "secrets"],
    ["a short secret", { secrets: ["whsec_short"] }, "secrets"]
  ])("with %s is refused", (_, received, reason) => expect(reasonOf(received)).toBe(reason))

  test("that is signed and cannot be read is refused", () => {
    const body = '{"version":2,"data":{}}'
    const signature = signWebhook({ id, timestamp: now, body, secrets: [secret] })
    const headers = { ...signed(), "webhook-signature": signature }
    expect(reasonOf({ headers, body })).toBe("body")
  })

  test("of any age passes with a tolerance that says so", () =>
    expect(reasonOf({ headers: signed([secret], now - 999), toleranceSeconds: 1_000 })).toBe(
      "verified"
    ))

  test("secrets are distinguished from other texts", () => {
    expect(isWebhookSecret(secret)).toBe(true)
    expect(["", "whsec_", "secret", `${secret} `].filter(isWebhookSecret)).toEqual([])
  })
})
