/**
 * Signs webhooks and verifies them. The scheme is that of standardwebhooks.com, so that a receiver
 * in any language can use a library for it.
 */
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto"
import { Schema } from "effect"
import type { RecordedEvent } from "./EventFeed.ts"
import { TaggedError } from "./engine/TaggedError.ts"
import { decodeEvents, encodeEvents, eventVersion } from "./events/codec.ts"

/** The webhook is not authentic, or not readable; `reason` says why. Remedy: respond with 400. */
export class WebhookRefused extends TaggedError<WebhookRefused>()("WebhookRefused", {
  reason: Schema.Literals(["headers", "secrets", "timestamp", "signature", "body"])
}) {
  override get message() {
    return `Webhook refused: ${this.reason}`
  }
}

const secretPattern = /^whsec_[A-Za-z0-9+/]{32,128}={0,2}$/

/** A new random secret for an endpoint and its receiver: `whsec_` and 32 bytes in base64. */
export const newWebhookSecret = (): string => `whsec_${randomBytes(32).toString("base64")}`

/** Whether a text can be the secret of an endpoint: `whsec_` and at least 24 bytes in base64. */
export const isWebhookSecret = (secret: string): boolean => secretPattern.test(secret)

const digest = (secret: string, content: string): Buffer =>
  createHmac("sha256", Buffer.from(secret.slice("whsec_".length), "base64"))
    .update(content)
    .digest()

/**
 * The `webhook-signature` header of a webhook: one signature per secret, so that secrets can
 * rotate.
 */
export const signWebhook = (webhook: {
  readonly id: string
  /** Seconds since 1970. */
  readonly timestamp: number
  readonly body: string
  readonly secrets: ReadonlyArray<string>
}): string =>
  webhook.secrets
    .map((secret) => digest(secret, `${webhook.id}.${webhook.timestamp}.${webhook.body}`))
    .map((signature) => `v1,${signature.toString("base64")}`)
    .join(" ")

/** The JSON body of the webhook for an event. */
export const encodeWebhook = ({ aggregate, event }: Omit<RecordedEvent, "id">): string => {
  const at = new Date(event.at).toISOString()
  const about = JSON.stringify({
    type: event._tag,
    timestamp: at,
    version: eventVersion,
    aggregate
  })
  return `${about.slice(0, -1)},"data":${encodeEvents([event]).slice(1, -1)}}`
}

/** A webhook as a receiver got it. */
export interface ReceivedWebhook {
  /** The headers of a `Request`, or of Node's `IncomingMessage`. */
  readonly headers: Headers | Readonly<Record<string, string | ReadonlyArray<string> | undefined>>
  /** The raw body, before any parsing. */
  readonly body: string | Uint8Array
  /** The accepted secrets: the new one and the old one, while they rotate. */
  readonly secrets: ReadonlyArray<string>
  /** How much the timestamp may differ from the receiver's clock, in seconds. Default 300. */
  readonly toleranceSeconds?: number | undefined
}

/**
 * Verifies a webhook and returns its event, typed and without loss. Throws {@link WebhookRefused}.
 * Keep the `id`s of the last few minutes to recognise a replay, or a delivery that comes again.
 *
 * @example
 * ```ts
 * import { verifyWebhook } from "@boxoffice/core"
 *
 * const receive = async (request: Request) => {
 *   const { id, event } = verifyWebhook({
 *     headers: request.headers,
 *     body: await request.text(),
 *     secrets: [process.env.WEBHOOK_SECRET!]
 *   })
 *   console.log(id, event._tag)
 * }
 * ```
 */
export const verifyWebhook = (received: ReceivedWebhook): RecordedEvent => {
  const { headers, secrets, toleranceSeconds = 300 } = received
  const body =
    typeof received.body === "string" ? received.body : Buffer.from(received.body).toString("utf8")
  const id = headerOf(headers, "webhook-id")
  const timestamp = headerOf(headers, "webhook-timestamp")
  const signatures = headerOf(headers, "webhook-signature")
  // Guard webhook-timestamp-form: without it, webhookSignature.test "no time" fails.
  if (!/^\d{1,15}$/.test(timestamp)) throw new WebhookRefused({ reason: "headers" })
  // Guard webhook-secret-form: without it, webhookSignature.test "no secret" fails.
  if (secrets.length === 0 || !secrets.every(isWebhookSecret)) {
    throw new WebhookRefused({ reason: "secrets" })
  }
  const given = signatures
    .split(" ")
    .filter((signature) => signature.startsWith("v1,"))
    .map((signature) => Buffer.from(signature.slice(3), "base64"))
  const expected = secrets.map((secret) => digest(secret, `${id}.${timestamp}.${body}`))
  // Compares every pair, so that the time does not depend on which one matches.
  const matches = expected.flatMap((one) => given.map((other) => isEqual(one, other)))
  // Guard webhook-signature: without it, webhookSignature.test "another secret" fails.
  if (!matches.includes(true)) throw new WebhookRefused({ reason: "signature" })
  // Guard webhook-age: without it, webhookSignature.test "an old time" fails.
  if (Math.abs(Date.now() / 1_000 - Number(timestamp)) > toleranceSeconds) {
    throw new WebhookRefused({ reason: "timestamp" })
  }
  try {
    const { aggregate, version, data } = JSON.parse(body)
    const [event] = decodeEvents(version, JSON.stringify([data]))
    return { id, aggregate, event: event! }
  } catch {
    throw new WebhookRefused({ reason: "body" })
  }
}

const headerOf = (headers: ReceivedWebhook["headers"], name: string): string => {
  const value = headers instanceof Headers ? headers.get(name) : headers[name]
  if (typeof value !== "string" || value === "" || value.length > 2_048) {
    throw new WebhookRefused({ reason: "headers" })
  }
  return value
}

const isEqual = (one: Buffer, other: Buffer): boolean =>
  // Guard webhook-equal-length: without "one.length…&& ", webhookSignature.test "a short signature" fails.
  one.length === other.length && timingSafeEqual(one, other)
