/** Reads endpoints from a JSON document, and their secrets from environment variables. */
import { readFileSync } from "node:fs"
import { EventType, isWebhookSecret } from "@boxoffice/core"
import { toRequestInvalid } from "@boxoffice/core/store"
import { Effect, Schema } from "effect"
import { checkEndpoint, type WebhookEndpoint } from "./endpoint.ts"

const Document = Schema.fromJsonString(
  Schema.Array(
    Schema.Struct({
      name: Schema.String,
      url: Schema.String,
      /** Names of variables, because such documents are stored where secrets must not be. */
      secretVariables: Schema.Array(
        Schema.String.check(
          Schema.isPattern(/^[A-Z_][A-Z0-9_]*$/, {
            expected: "the name of a variable: A-Z, 0-9 and _"
          })
        )
      ),
      types: Schema.optionalKey(Schema.Array(EventType)),
      from: Schema.optionalKey(Schema.Literals(["beginning", "now"])),
      timeoutMs: Schema.optionalKey(Schema.Int),
      attempts: Schema.optionalKey(Schema.Int),
      retryMs: Schema.optionalKey(Schema.Int),
      concurrency: Schema.optionalKey(Schema.Int),
      allowPrivate: Schema.optionalKey(Schema.Boolean)
    })
  ).check(Schema.isMaxLength(100))
)
const decode = Schema.decodeUnknownEffect(Document, {
  errors: "all",
  onExcessProperty: "error"
})

export interface WebhookSource {
  /** The document itself. */
  readonly inline: string | undefined
  /** The path of a file with the document. */
  readonly file: string | undefined
  /** The value of an environment variable. */
  readonly variable: (name: string) => Effect.Effect<string | undefined>
  /** Why a secret's key, in hex, is weak; undefined if it is not, or if that is not checked. */
  readonly weaknessOf: (secret: string, bytesMin: number) => string | undefined
}

/**
 * The endpoints, the names of the variables with their secrets, and the problems of the
 * configuration: each problem says what to set.
 */
export const readEndpoints = ({ inline, file, variable, weaknessOf }: WebhookSource) =>
  Effect.gen(function* () {
    const endpoints: Array<WebhookEndpoint> = []
    const problems: Array<string> = []
    const secretVariables: Array<string> = []
    const found = { endpoints, problems, secretVariables }
    if (inline === undefined && file === undefined) return found
    if (inline !== undefined && file !== undefined) {
      problems.push("Set either BOXOFFICE_WEBHOOKS or BOXOFFICE_WEBHOOKS_FILE, not both.")
      return found
    }
    const source = inline === undefined ? "BOXOFFICE_WEBHOOKS_FILE" : "BOXOFFICE_WEBHOOKS"
    const text = inline ?? textOf(file!)
    if (text === undefined) {
      problems.push(`BOXOFFICE_WEBHOOKS_FILE cannot be read: is ${file} there, and readable?`)
      return found
    }
    const decoded = yield* Effect.result(decode(text))
    if (decoded._tag === "Failure") {
      for (const { path, message } of toRequestInvalid(decoded.failure).errors) {
        problems.push(`${source}: ${path === "" ? "" : `${path}: `}${message}. ${expected}`)
      }
      return found
    }
    const names = new Set<string>()
    for (const { secretVariables: variables, ...given } of decoded.success) {
      secretVariables.push(...variables)
      const secrets: Array<string> = []
      for (const name of variables) {
        const secret = yield* variable(name)
        if (secret === undefined) problems.push(`${name} must be set: ${aSecret(given.name)}`)
        else secrets.push(secret)
        const weakness = secret && isWebhookSecret(secret) && weaknessOf(hexOf(secret), 48)
        if (weakness) problems.push(`${name} ${weakness} Set ${aSecret(given.name)}`)
      }
      // A missing secret is reported above, so the endpoint is not checked for it again.
      if (variables.length > 0 && secrets.length < variables.length) continue
      const endpoint = { ...given, secrets }
      const checked = yield* Effect.result(checkEndpoint(endpoint))
      if (checked._tag === "Failure") problems.push(`${source}: ${checked.failure.message}.`)
      if (names.has(given.name)) problems.push(`${source}: two endpoints are called ${given.name}.`)
      names.add(given.name)
      endpoints.push(endpoint)
    }
    return found
  })

/** The key of a secret in hex: 24 bytes or more, two characters per byte. */
const hexOf = (secret: string): string =>
  Buffer.from(secret.slice("whsec_".length), "base64").toString("hex")

const expected =
  'Expected, for example, [{ "name": "crm", "url": "https://crm.example/hooks", "secretVariables": ["CRM_SECRET"] }].'

const aSecret = (endpoint: string): string =>
  `a secret of the webhook endpoint ${endpoint}. To create one, run: echo "whsec_$(openssl rand -base64 32)"`

const textOf = (path: string): string | undefined => {
  try {
    return readFileSync(path, "utf8")
  } catch {
    return undefined
  }
}
