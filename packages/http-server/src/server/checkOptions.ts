/**
 * Checks a host's options when it creates the routes. A mistake found later would fail the requests
 * of users, who cannot fix it.
 */
import { Redacted } from "effect"
import { type Token, textOf } from "../http/identity.ts"
import { problemOfKeysUrl } from "../http/publishedKeys.ts"
import type { RoutesOptions } from "./router.ts"

/** Throws a `TypeError` that names the missing or wrong option. */
export const checkOptions = (options: RoutesOptions): void => {
  if (!isObject(options)) throw new TypeError("The options must be an object with an identity.")
  checkIdentity(options.identity)
  checkTokens(options)
  checkCharges(options)
  checkOthers(options)
}

type Unchecked = Readonly<Record<string, unknown>>

const isObject = (value: unknown): value is Unchecked => typeof value === "object" && value !== null

const checkIdentity = (identity: unknown): void => {
  const mode = isObject(identity) ? identity.mode : undefined
  if (!isObject(identity) || (mode !== "header" && mode !== "jwt" && mode !== "host")) {
    throw new TypeError('identity must have a mode: "header", "jwt" or "host".')
  }
  if (mode === "host" && typeof identity.userOf !== "function") {
    throw new TypeError('identity.userOf must be a function if identity.mode is "host".')
  }
  if (mode === "jwt") checkJwt(identity)
}

const checkJwt = ({ keys, issuer, audience }: Unchecked): void => {
  const given = isObject(keys) ? keys : {}
  if ("secret" in given) checkSecret(given.secret)
  else if (given.jwksUrl instanceof URL) {
    const problem = problemOfKeysUrl(given.jwksUrl)
    if (problem !== undefined) throw new TypeError(`identity.keys.jwksUrl ${problem}`)
  } else {
    throw new TypeError(
      'identity.keys must have a secret (Redacted), or a jwksUrl (URL), if identity.mode is "jwt".'
    )
  }
  for (const [name, value] of Object.entries({ issuer, audience })) {
    // No JWT has an empty value, so an empty option would refuse every JWT.
    if (value !== undefined && (typeof value !== "string" || value === "")) {
      throw new TypeError(`identity.${name} must be a non-empty text: omit it to accept any.`)
    }
  }
}

const checkSecret = (secret: unknown): void => {
  const text = Redacted.isRedacted(secret) ? Redacted.value(secret) : undefined
  // Guard jwt-secret-length: without " || Buffer.byteLength(text) < 32", checkOptions.test "is told of its mistake" fails.
  if (typeof text !== "string" || Buffer.byteLength(text) < 32) {
    throw new TypeError("identity.keys.secret must be a Redacted text of 32 bytes or more.")
  }
}

/** Refuses empty tokens, since every caller would know them, and two equal tokens. */
const checkTokens = (tokens: { readonly adminToken?: Token; readonly serviceToken?: Token }) => {
  const admin = checkToken("adminToken", tokens.adminToken, "no operators")
  const service = checkToken("serviceToken", tokens.serviceToken, "no services")
  // Guard tokens-differ: without it, identity.test "two in one" fails.
  if (admin !== undefined && admin === service) {
    throw new TypeError("serviceToken must differ from adminToken: services are not operators.")
  }
}

const checkToken = (name: string, token: Token, none: string): string | undefined => {
  if (token === undefined) return undefined
  if (typeof (Redacted.isRedacted(token) ? Redacted.value(token) : token) !== "string") {
    throw new TypeError(`${name} must be a text or a Redacted text: omit it for ${none}.`)
  }
  const text = textOf(token)
  // Guard token-not-empty: without it, identity.test "that would be everybody's" fails.
  if (text === "") throw new TypeError(`${name} must not be empty: omit it for ${none}.`)
  return text
}

const checkCharges = ({ charges, adminToken, serviceToken }: RoutesOptions): void => {
  if (charges !== "user" && charges !== "operator" && typeof charges !== "function") {
    throw new TypeError(
      'charges must be "user", "operator" or a function: it decides which callers may charge wallets.'
    )
  }
  if (charges === "operator" && adminToken === undefined && serviceToken === undefined) {
    throw new TypeError(
      'charges is "operator", but neither adminToken nor serviceToken is set: no caller could charge a wallet.'
    )
  }
}

const checkOthers = (options: RoutesOptions): void => {
  for (const name of ["prefix", "documentation"] as const) {
    const value: unknown = options[name]
    if (value !== undefined && typeof value !== "string") {
      throw new TypeError(`${name} must be a text.`)
    }
  }
  for (const name of ["heartbeatSeconds", "streamsPerUser"] as const) {
    const value: unknown = options[name]
    if (value !== undefined && !(typeof value === "number" && value > 0)) {
      throw new TypeError(`${name} must be a number above 0.`)
    }
  }
  if (options.onRequest !== undefined && typeof options.onRequest !== "function") {
    throw new TypeError("onRequest must be a function.")
  }
}
