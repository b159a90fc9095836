/** The configuration of a webhook endpoint: its URL, its secrets and its retries. */
import { EventType, isWebhookSecret, type StartingPoint } from "@boxoffice/core"
import { checkNames } from "@boxoffice/core/store"
import { Effect, Schema } from "effect"

export interface WebhookEndpoint {
  /** The endpoint's name; its consumer is `webhook:<name>`. 1 to 48 of letters, digits, `_ . -`. */
  readonly name: string
  /** The URL of the receiver; it must be https. */
  readonly url: string
  /**
   * Secrets of `newWebhookSecret`; each delivery is signed with each of them. To rotate: add the
   * new secret, give it to the receiver, and then remove the old one.
   */
  readonly secrets: ReadonlyArray<string>
  /** The types of events to deliver. Default: all. */
  readonly types?: ReadonlyArray<EventType> | undefined
  /** Where a new endpoint starts in the outbox. Default: `now`. */
  readonly from?: StartingPoint | undefined
  /** The time limit of one attempt, in milliseconds. Default: 10,000. */
  readonly timeoutMs?: number | undefined
  /** Attempts before a delivery becomes a dead letter. Default: 12, over about 3 hours. */
  readonly attempts?: number | undefined
  /**
   * The delay after the first failed attempt, in milliseconds; it doubles each time. Default:
   * 5,000.
   */
  readonly retryMs?: number | undefined
  /** Concurrent deliveries, each of another aggregate. Default: 8. */
  readonly concurrency?: number | undefined
  /**
   * Allows http, and addresses that are not public: for receivers in the host's own network, and
   * for tests. Never set it for an endpoint that a customer may configure.
   */
  readonly allowPrivate?: boolean | undefined
}

/** The names that an endpoint may have. */
export const endpointName = /^[A-Za-z0-9_.-]{1,48}$/

const consumerPrefix = "webhook:"

/** The consumer that delivers the events of an endpoint. */
export const consumerOf = (endpoint: string): string => `${consumerPrefix}${endpoint}`

/** The endpoint whose events a consumer delivers; `undefined` of any other consumer. */
export const endpointOf = (consumer: string): string | undefined => {
  if (!consumer.startsWith(consumerPrefix)) return undefined
  const name = consumer.slice(consumerPrefix.length)
  return endpointName.test(name) ? name : undefined
}

/** An endpoint cannot be used. */
export class WebhookEndpointInvalid extends Schema.TaggedError<WebhookEndpointInvalid>()(
  "WebhookEndpointInvalid",
  { endpoint: Schema.String, reason: Schema.String }
) {
  override get message() {
    return `Webhook endpoint ${this.endpoint}: ${this.reason}`
  }
}

export interface Endpoint {
  readonly name: string
  readonly consumer: string
  readonly url: URL
  readonly secrets: ReadonlyArray<string>
  readonly types: ReadonlyArray<EventType> | undefined
  readonly from: StartingPoint
  readonly timeoutMs: number
  readonly attempts: number
  readonly retryMs: number
  readonly concurrency: number
  readonly allowPrivate: boolean
}

const optionNames = [
  "name",
  "url",
  "secrets",
  "types",
  "from",
  "timeoutMs",
  "attempts",
  "retryMs",
  "concurrency",
  "allowPrivate"
] as const satisfies ReadonlyArray<keyof WebhookEndpoint>

const eventTypes: ReadonlyArray<string> = EventType.literals

/** The endpoints with their defaults; fails with the problem of the first invalid one. */
export const checkEndpoints = (
  given: ReadonlyArray<WebhookEndpoint>
): Effect.Effect<ReadonlyArray<Endpoint>, WebhookEndpointInvalid> =>
  Effect.gen(function* () {
    if (!Array.isArray(given)) {
      return yield* new WebhookEndpointInvalid({ endpoint: "list", reason: "a list is expected" })
    }
    const endpoints = yield* Effect.forEach(given, checkEndpoint)
    const names = new Set<string>()
    for (const { name } of endpoints) {
      if (names.has(name)) {
        const reason = "another endpoint has the same name, so both would share one consumer"
        return yield* new WebhookEndpointInvalid({ endpoint: name, reason })
      }
      names.add(name)
    }
    return endpoints
  })

/** The endpoint with its defaults; fails with its problem if it is invalid. */
export const checkEndpoint = (
  endpoint: WebhookEndpoint
): Effect.Effect<Endpoint, WebhookEndpointInvalid> => {
  const called: unknown = (endpoint as WebhookEndpoint | null | undefined)?.name
  const invalid = (reason: string) =>
    Effect.fail(
      new WebhookEndpointInvalid({
        endpoint: typeof called === "string" ? called.slice(0, 100) : "without a name",
        reason
      })
    )
  try {
    checkNames("its options", endpoint, optionNames)
  } catch (error) {
    return invalid((error as TypeError).message)
  }
  const { name, secrets, types, from = "now", allowPrivate = false } = endpoint
  const { timeoutMs = 10_000, attempts = 12, retryMs = 5_000, concurrency = 8 } = endpoint
  const url = typeof endpoint.url === "string" ? URL.parse(endpoint.url) : null
  if (typeof name !== "string" || !endpointName.test(name)) {
    return invalid("its name is invalid: expected 1 to 48 of letters, digits, _ . -")
  }
  if (url === null) return invalid("its URL cannot be read")
  // Guard webhook-https: without it, webhooks.test "an endpoint with" fails.
  if (url.protocol !== "https:" && !(allowPrivate && url.protocol === "http:")) {
    return invalid(
      "its URL must be https, or http with allowPrivate: true for a receiver in your own network"
    )
  }
  if (url.username !== "" || url.password !== "") return invalid("its URL has a password in it")
  // Guard webhook-secrets: without " && secrets.length > 0", webhooks.test "an endpoint with" fails.
  const isSigned = Array.isArray(secrets) && secrets.length > 0 && secrets.length <= 8
  if (
    !isSigned ||
    !secrets.every((secret) => typeof secret === "string" && isWebhookSecret(secret))
  ) {
    return invalid("it needs 1 to 8 secrets, each made by newWebhookSecret")
  }
  if (types !== undefined) {
    if (!Array.isArray(types) || types.length === 0) {
      return invalid("types must list at least one type of events; omit it for all")
    }
    const unknown = types.find((type) => !eventTypes.includes(type))
    if (unknown !== undefined) {
      return invalid(
        `types lists "${String(unknown).slice(0, 100)}", which is no type of events; the types are ${eventTypes.join(", ")}`
      )
    }
  }
  if (from !== "beginning" && from !== "now") return invalid('from must be "beginning" or "now"')
  if (typeof allowPrivate !== "boolean") return invalid("allowPrivate must be true or false")
  const bounds = [
    ["timeoutMs", timeoutMs, 120_000],
    ["attempts", attempts, 100],
    ["retryMs", retryMs, 3_600_000],
    ["concurrency", concurrency, 256]
  ] as const
  for (const [option, value, maximum] of bounds) {
    // Guard webhook-bounds: without " || value > maximum", webhooks.test "an endpoint with" fails.
    if (!Number.isInteger(value) || value < 1 || value > maximum) {
      return invalid(`${option} must be a whole number from 1 to ${maximum}`)
    }
  }
  const consumer = `${consumerPrefix}${name}`
  return Effect.succeed({
    ...{ name, consumer, url, secrets, types, from, timeoutMs, attempts, retryMs, concurrency },
    allowPrivate
  })
}
