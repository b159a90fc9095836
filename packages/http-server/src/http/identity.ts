/** Finding out who is calling. */
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
   * By `X-User-Id`, which the gateway in front sets, and lets no client set. An id with a comma in it
   * cannot be told from two, and is refused.
   */
  | { readonly mode: "header" }
  /** By `Authorization: Bearer <JWT>`; the user is its `sub`. */
  | {
      readonly mode: "jwt"
      /** A shared secret of at least 32 bytes, or where the issuer publishes its keys, by https. */
      readonly keys: { readonly secret: Redacted.Redacted } | { readonly jwksUrl: URL }
      readonly issuer?: string | undefined
      readonly audience?: string | undefined
    }
  /**
   * By the host itself, such as by the cookie of its session; nobody where it gives `undefined`.
   * Where it throws, or takes more than ten seconds, the caller is asked to try again.
   */
  | {
      readonly mode: "host"
      readonly userOf: (headers: RequestHeaders) => string | undefined | Promise<string | undefined>
    }

/** Who is calling; a refusal where nobody is, or where it cannot be found out now. */
type Identified = Effect.Effect<UserId, IdentityRequired | IdentityUnavailable>

/** Tells who is calling. */
export class Identities extends Context.Service<
  Identities,
  {
    readonly user: (headers: RequestHeaders) => Identified
    /** Whether these are an operator's. */
    readonly isAdmin: (headers: RequestHeaders) => boolean
    /** Whether these are of one of the operator's own services, or an operator's. */
    readonly isService: (headers: RequestHeaders) => boolean
    /** The user whom such a service names. */
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

/** Without the line end that a file leaves behind: no header ends in one. */
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
  // Gateways join two of them by a comma: a client's, with that of the gateway, would make a third
  // user. So no id of a header has one.
  if (given === undefined || given.includes(",")) return headerRequired
  const userId = fromHeader(given)
  return isUserId(userId) ? Effect.succeed(userId) : headerRequired
}

const signInRequired = Effect.fail(new IdentityRequired({ hint: "Sign in." }))

// Longer than a session store takes to answer, and shorter than a person waits.
const userOfSeconds = 10

const userOfHost =
  ({ userOf }: Extract<IdentityOptions, { mode: "host" }>, outage: Outage) =>
  (headers: RequestHeaders): Identified =>
    Effect.tryPromise({ try: async () => userOf(headers), catch: (cause) => cause }).pipe(
      Effect.timeoutOrElse({
        duration: `${userOfSeconds} seconds`,
        orElse: () => Effect.fail(new Error(`no answer within ${userOfSeconds} s`))
      }),
      Effect.tap(() => Effect.sync(outage.ended)),
      Effect.mapError((cause) => {
        outage.began(cause)
        return new IdentityUnavailable({ retryAfterSeconds: 1 })
      }),
      Effect.flatMap((userId) => (isUserId(userId) ? Effect.succeed(userId) : signInRequired))
    )

// Node gives the bytes of a header as Latin-1, and a client that sends more than ASCII sends UTF-8.
// What is not UTF-8 names nobody: read as Latin-1 it would name somebody else.
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

// Named, so that neither `none` nor a public key used as a shared secret can pass.
const asymmetric = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"]
const asymmetricAlgorithms = [...asymmetric, "EdDSA", "Ed25519"]

const userOfJwt = (
  options: Extract<IdentityOptions, { mode: "jwt" }>,
  context: Context.Context<never>
): Identities["Service"]["user"] => {
  const limits: JWTVerifyOptions = {
    requiredClaims: ["exp", "sub"],
    clockTolerance: 5,
    ...(options.issuer !== undefined && { issuer: options.issuer }),
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
      // It is not the token that is wrong, but the key, such as one that is too short to be safe.
      outage.began(error)
      throw new IdentityUnavailable({ retryAfterSeconds: 1 })
    }
  }
}

const bearerOf = ({ authorization = "" }: RequestHeaders): string | undefined =>
  authorization.slice(0, 7).toLowerCase() === "bearer "
    ? authorization.slice(7).trim() || undefined
    : undefined

/** Whether a token is this one; none is where there is none. */
const isToken = (token: Token) => {
  const text = textOf(token)
  if (text === undefined) return () => false
  const expected = digest(text)
  return (given: string | undefined): boolean => {
    // Digests have one length, so neither time nor an exception tells how much of it is right.
    return given !== undefined && timingSafeEqual(digest(given), expected)
  }
}

const digest = (text: string): Buffer => createHash("sha256").update(text).digest()
