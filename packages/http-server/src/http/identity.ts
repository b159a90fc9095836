/** Identifies the caller of a request: a user, an operator, or one of the operator's services. */
import { createHash, timingSafeEqual } from "node:crypto"
import { UserId } from "@boxoffice/core/schema"
import { Context, Effect, Layer, Redacted, Schema } from "effect"
import { errors, type JWTVerifyOptions, jwtVerify } from "jose"
import { IdentityRequired, IdentityUnavailable } from "../api/errors.ts"
import type { RequestHeaders } from "./message.ts"
import { makeOutage, type Outage } from "./outage.ts"
import { publishedKeys } from "./publishedKeys.ts"

/** How users are identified. */
export type IdentityOptions =
  /**
   * By `X-User-Id`, which the gateway in front of the server sets and must remove from the requests
   * of clients. An id with a comma is refused, since it cannot be distinguished from two joined
   * values.
   */
  | { readonly mode: "header" }
  /** By `Authorization: Bearer <JWT>`; the user's id is its `sub`. */
  | {
      readonly mode: "jwt"
      /**
       * A shared secret of at least 32 bytes, or the https URL of the keys that the issuer
       * publishes.
       */
      readonly keys: { readonly secret: Redacted.Redacted } | { readonly jwksUrl: URL }
      readonly issuer?: string | undefined
      readonly audience?: string | undefined
    }
  /**
   * By a function of the host, such as by the cookie of its session. If it returns `undefined`, the
   * caller is refused; if it throws or takes more than ten seconds, the caller gets
   * `identity_unavailable` and may try again.
   */
  | {
      readonly mode: "host"
      readonly userOf: (headers: RequestHeaders) => string | undefined | Promise<string | undefined>
    }

/** The id of the calling user; fails if there is none, or if the server cannot check it now. */
type Identified = Effect.Effect<UserId, IdentityRequired | IdentityUnavailable>

/** Identifies callers by their headers. */
export class Identities extends Context.Service<
  Identities,
  {
    readonly user: (headers: RequestHeaders) => Identified
    /** Whether an operator sent these headers. */
    readonly isAdmin: (headers: RequestHeaders) => boolean
    /** Whether one of the operator's own services, or an operator, sent these headers. */
    readonly isService: (headers: RequestHeaders) => boolean
    /** The user that such a service names. */
    readonly named: (headers: RequestHeaders) => Effect.Effect<UserId, IdentityRequired>
  }
>()("@boxoffice/http-server/Identities") {
  static readonly layer = (options: {
    readonly identity: IdentityOptions
    readonly adminToken: Token
    readonly serviceToken?: Token
  }): Layer.Layer<Identities> => {
    const tokens = [options.adminToken, options.serviceToken].map(isToken)
    const { identity } = options
    const service = (context: Context.Context<never>): Identities["Service"] => ({
      user: userBy(identity, context),
      isAdmin: (headers) => tokens[0]!(bearerOf(headers)),
      isService: (headers) =>
        [bearerOf(headers), headers["service-token"]].some((given) =>
          tokens.some((isIt) => isIt(given))
        ),
      named: userOfHeader
    })
    return Layer.effect(
      Identities,
      Effect.andThen(warnOfLimits(identity), Effect.map(Effect.context<never>(), service))
    )
  }
}

export type Token = string | Redacted.Redacted | undefined

/**
 * The token without surrounding whitespace: a file often ends in a newline, and a header never
 * does.
 */
export const textOf = (token: Token): string | undefined =>
  (Redacted.isRedacted(token) ? Redacted.value(token) : token)?.trim()

const warnOfLimits = (identity: IdentityOptions): Effect.Effect<void> => {
  if (identity.mode !== "jwt") return Effect.void
  const missing = [
    identity.issuer === undefined &&
      "BOXOFFICE_JWT_ISSUER (identity.issuer) is not set: a JWT is taken whatever its iss says.",
    identity.audience === undefined &&
      "BOXOFFICE_JWT_AUDIENCE (identity.audience) is not set: a JWT that was made for another application is taken here as well."
  ].filter((warning) => warning !== false)
  return Effect.forEach(missing, (warning) => Effect.logWarning(warning), { discard: true })
}

const userBy = (
  identity: IdentityOptions,
  context: Context.Context<never>
): Identities["Service"]["user"] => {
  switch (identity.mode) {
    case "header":
      return userOfHeader
    case "jwt":
      return userOfJwt(identity, context)
    case "host":
      return userOfHost(identity, makeOutage("userOf failed", context))
  }
}

const isUserId = Schema.is(UserId)

const headerRequired = Effect.fail(
  new IdentityRequired({
    hint: "Send the user's id, of 1 to 128 visible characters in UTF-8 with no comma, once, as X-User-Id."
  })
)

const userOfHeader = (headers: RequestHeaders): Effect.Effect<UserId, IdentityRequired> => {
  const given = headers["x-user-id"]
  // Gateways join two values by a comma: the client's id and the gateway's together would make a
  // third user. So an id from a header must not contain one.
  // Guard header-one-user: without ` || given.includes(",")`, identity.test "names no third user" fails.
  if (given === undefined || given.includes(",")) return headerRequired
  const userId = fromHeader(given)
  // Guard header-user-id: with "true" for "isUserId(userId)", charges.test "not UTF-8 names no user" fails.
  return isUserId(userId) ? Effect.succeed(userId) : headerRequired
}

const signInRequired = Effect.fail(new IdentityRequired({ hint: "Sign in." }))

// Longer than a session store takes to respond, and shorter than a person waits.
const userOfSeconds = 10

const userOfHost =
  ({ userOf }: Extract<IdentityOptions, { mode: "host" }>, outage: Outage) =>
  (headers: RequestHeaders): Identified =>
    Effect.tryPromise({ try: async () => userOf(headers), catch: (cause) => cause }).pipe(
      // Guard host-identity-deadline: without it, identity.test "never says who is calling" fails.
      Effect.timeoutOrElse({
        duration: `${userOfSeconds} seconds`,
        orElse: () => Effect.fail(new Error(`no answer within ${userOfSeconds} s`))
      }),
      Effect.tap(() => Effect.sync(outage.ended)),
      Effect.mapError((cause) => {
        outage.began(cause)
        return new IdentityUnavailable({ retryAfterSeconds: 1 })
      }),
      // Guard host-user-id: with "true" for "isUserId(userId)", identity.test "a host can identify the caller" fails.
      Effect.flatMap((userId) => (isUserId(userId) ? Effect.succeed(userId) : signInRequired))
    )

// Node decodes the bytes of a header as Latin-1, and clients send ids beyond ASCII as UTF-8. Bytes
// that are not UTF-8 are refused: read as Latin-1, they would name another user.
const fromHeader = (value: string): string | undefined => {
  if (/^[\x20-\x7e]*$/.test(value)) return value
  try {
    return utf8.decode(Buffer.from(value, "latin1"))
  } catch {
    return undefined
  }
}
const utf8 = new TextDecoder("utf-8", { fatal: true })

const jwtRequired = new IdentityRequired({
  hint: "Send a JWT that is valid now as Authorization: Bearer, with the user's id as its subject."
})

// An explicit list: neither `none` nor HS256 with a public key as its secret is accepted.
const asymmetric = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"]
const asymmetricAlgorithms = [...asymmetric, "EdDSA", "Ed25519"]

const userOfJwt = (
  options: Extract<IdentityOptions, { mode: "jwt" }>,
  context: Context.Context<never>
): Identities["Service"]["user"] => {
  const limits: JWTVerifyOptions = {
    // Guard jwt-expires: without `"exp", `, identity.test "is refused when it is expired" fails.
    requiredClaims: ["exp", "sub"],
    clockTolerance: 5,
    // Guard jwt-issuer: without it, identity.test "not for here" fails.
    ...(options.issuer !== undefined && { issuer: options.issuer }),
    // Guard jwt-audience: without it, identity.test "not for here" fails.
    ...(options.audience !== undefined && { audience: options.audience })
  }
  const verify = verifierOf(options.keys, limits, context)
  return (headers) => {
    const token = bearerOf(headers)
    if (token === undefined) return Effect.fail(jwtRequired)
    return Effect.tryPromise({
      try: () => verify(token),
      catch: (error) => (error instanceof IdentityUnavailable ? error : jwtRequired)
    }).pipe(
      Effect.flatMap((subject) =>
        // Guard jwt-user-id: with "true" for "isUserId(subject)", identity.test "is refused when it is expired" fails.
        isUserId(subject) ? Effect.succeed(subject) : Effect.fail(jwtRequired)
      )
    )
  }
}

const verifierOf = (
  keys: Extract<IdentityOptions, { mode: "jwt" }>["keys"],
  limits: JWTVerifyOptions,
  context: Context.Context<never>
): ((token: string) => Promise<string | undefined>) => {
  if ("secret" in keys) {
    const secret = new TextEncoder().encode(Redacted.value(keys.secret))
    // Guard jwt-algorithm: without `, algorithms: ["HS256"]`, identity.test "is refused when it is expired" fails.
    const options = { ...limits, algorithms: ["HS256"] }
    return async (token) => (await jwtVerify(token, secret, options)).payload.sub
  }
  const { jwksUrl } = keys
  const outage = makeOutage(
    `the keys of the issuer cannot be had (BOXOFFICE_JWKS_URL, identity.keys.jwksUrl: ${jwksUrl})`,
    context
  )
  const published = publishedKeys(jwksUrl, outage)
  const options = { ...limits, algorithms: asymmetricAlgorithms }
  return async (token) => {
    try {
      return (await jwtVerify(token, published, options)).payload.sub
    } catch (error) {
      if (error instanceof errors.JOSEError || error instanceof IdentityUnavailable) throw error
      // The issuer's key is at fault and not the token: for instance, the key is too short to be
      // safe.
      outage.began(error)
      throw new IdentityUnavailable({ retryAfterSeconds: 1 })
    }
  }
}

const bearerOf = ({ authorization = "" }: RequestHeaders): string | undefined =>
  authorization.slice(0, 7).toLowerCase() === "bearer "
    ? authorization.slice(7).trim() || undefined
    : undefined

/** Makes the check of a configured token; if none is configured, every check fails. */
const isToken = (token: Token) => {
  const text = textOf(token)
  // Guard token-configured: with "true" for "false", charges.test "no caller is a service" fails.
  if (text === undefined) return () => false
  const expected = digest(text)
  return (given: string | undefined): boolean => {
    // Digests have equal lengths, so neither the time nor an exception reveals how much is right.
    // Guard token-equal: with "true" for "timingSafeEqual(digest(given), expected)", identity.test "knows the token" fails.
    return given !== undefined && timingSafeEqual(digest(given), expected)
  }
}

const digest = (text: string): Buffer => createHash("sha256").update(text).digest()
