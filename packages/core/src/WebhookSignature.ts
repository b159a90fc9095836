/**
 * How webhooks are signed, and how whoever receives them checks that. The scheme is that of
 * standardwebhooks.com, so that libraries for it in any language can check them as well.
 */
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto"
import { Schema } from "effect"
import type { RecordedEvent } from "./EventFeed.ts"
import { TaggedError } from "./engine/TaggedError.ts"
import { decodeEvents, encodeEvents, eventVersion } from "./events/codec.ts"

/** The webhook is not to be trusted, or not to be read; `reason` says why. Remedy: answer 400. */
export class WebhookRefused extends TaggedError<WebhookRefused>()("WebhookRefused", {
  reason: Schema.Literals(["headers", "secrets", "timestamp", "signature", "body"])
}) {
  override get message() {
    return `Webhook refused: ${this.reason}`
  }
}

const secretPattern = /^whsec_[A-Za-z0-9+/]{32,128}={0,2}$/

/** A fresh secret, for an endpoint and whoever receives from it: `whsec_` and 32 bytes of base64. */
export const newWebhookSecret = (): string => `whsec_${randomBytes(32).toString("base64")}`

/** Whether a text can be the secret of an endpoint: `whsec_` and at least 24 bytes of base64. */
export const isWebhookSecret = (secret: string): boolean => secretPattern.test(secret)

const digest = (secret: string, content: string): Buffer =>
  createHmac("sha256", Buffer.from(secret.slice("whsec_".length), "base64"))
    .update(content)
    .digest()

/** What a webhook's `webhook-signature` says: one signature for each secret, to rotate them. */
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

/** The body of the webhook of an event. */
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

export interface ReceivedWebhook {
  /** The headers as they came: of a `Request`, or of Node's `IncomingMessage`. */
  readonly headers: Headers | Readonly<Record<string, string | ReadonlyArray<string> | undefined>>
  /** The body as it came, before any parsing. */
  readonly body: string | Uint8Array
  /** The secrets that it may be signed with: the new one and the old one, while they rotate. */
  readonly secrets: ReadonlyArray<string>
  /** How far its timestamp may be off, in seconds. Default 300. */
  readonly toleranceSeconds?: number | undefined
}

/**
 * Checks a webhook that was received and gives its event, typed and exact. Throws
 * {@link WebhookRefused}. Keep the `id`s of the last few minutes to tell a replay, and a delivery
 * that comes again.
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
  if (!/^\d{1,15}$/.test(timestamp)) throw new WebhookRefused({ reason: "headers" })
  if (secrets.length === 0 || !secrets.every(isWebhookSecret)) {
    throw new WebhookRefused({ reason: "secrets" })
  }
  const given = signatures
    .split(" ")
    .filter((signature) => signature.startsWith("v1,"))
    .map((signature) => Buffer.from(signature.slice(3), "base64"))
  const expected = secrets.map((secret) => digest(secret, `${id}.${timestamp}.${body}`))
  // Every pair is compared, so that the time says nothing.
  const matches = expected.flatMap((one) => given.map((other) => isEqual(one, other)))
  if (!matches.includes(true)) throw new WebhookRefused({ reason: "signature" })
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
  one.length === other.length && timingSafeEqual(one, other)
