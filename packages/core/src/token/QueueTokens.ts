/**
 * Signs and verifies queue tokens, which clients carry. A valid signature proves the user, the
 * queue and the number without a read from the store, so a poll of a waiting user costs a
 * verification and arithmetic. Whether an admitted token is still good, only the store knows.
 *
 * Holds: the signing keys, and the 10,000 tokens that `verifyCached` used last, at most twice as
 * many (see `engine/RecentMap.ts`). An entry needs no refresh: a signature that was valid stays
 * valid, and the user and the lifetime are checked on every call.
 */
import { Clock, Context, Effect, Layer, Redacted, Result, Schema } from "effect"
import { RecentMap } from "../engine/RecentMap.ts"
import { TaggedError } from "../engine/TaggedError.ts"
import type { UserId } from "../Ids.ts"
import { QueueTokenInvalid, QueueTokenRequired } from "../queue/errors.ts"
import {
  decodePayload,
  encodePayload,
  prefix,
  type QueueTokenPayload,
  tokenLengthMax
} from "./format.ts"
import { makeHmac } from "./hmac.ts"

/** A signing key: a short public id, and a secret of at least 32 bytes. */
export interface SigningKey {
  readonly id: string
  readonly secret: Redacted.Redacted
}

/** The signing keys are not usable: none, two with one id, a bad id, or a secret under 32 bytes. */
export class SigningKeysInvalid extends TaggedError<SigningKeysInvalid>()("SigningKeysInvalid", {
  reason: Schema.String
}) {
  override get message() {
    return `Queue token keys: ${this.reason}`
  }
}

// A UTF-16 unit takes at most 3 bytes in UTF-8.
const bytesMax = 3 * tokenLengthMax
// Enough for the users inside; an entry takes a few hundred bytes.
const verifiedKept = 10_000
/** 90 days, longer than any sale: an older queue token is refused. */
const lifetimeSeconds = 90 * 86_400

type Verify = (
  token: string | undefined,
  userId: UserId
) => Result.Result<QueueTokenPayload, QueueTokenRequired | QueueTokenInvalid>

/** Signs and verifies queue tokens. The first key signs; all of them verify, so keys can rotate. */
export class QueueTokens extends Context.Service<
  QueueTokens,
  {
    readonly sign: (payload: QueueTokenPayload) => string
    /**
     * The payload of a user's queue token; refuses one that is missing, forged, too old or another
     * user's.
     */
    readonly verify: Verify
    /**
     * The same from a cache of tokens that were verified recently: for users inside, whose calls
     * follow each other quickly. Polls use `verify`: a million waiting users would only evict each
     * other.
     */
    readonly verifyCached: Verify
  }
>()("@boxoffice/core/QueueTokens") {
  static readonly layer = (
    keys: ReadonlyArray<SigningKey>
  ): Layer.Layer<QueueTokens, SigningKeysInvalid> =>
    Layer.effect(QueueTokens, makeQueueTokens(keys))
}

const makeQueueTokens = Effect.fnUntraced(function* (keys: ReadonlyArray<SigningKey>) {
  const reason = problemWith(keys)
  if (reason !== undefined) return yield* new SigningKeysInvalid({ reason })
  const hmacs = new Map(
    keys.map(({ id, secret }) => [id, makeHmac(Redacted.value(secret), bytesMax)])
  )
  const signingKeyId = keys[0]!.id
  // The node's clock, and not the database's: an error of minutes does not matter to 90 days.
  const clock = yield* Clock.Clock

  const sign = (payload: QueueTokenPayload): string => {
    const body = `${prefix}.${signingKeyId}.${encodePayload(payload)}`
    return `${body}.${hmacs.get(signingKeyId)!.of(body)}`
  }

  /** The payload of a token whose signature is valid. */
  const open = (token: string): QueueTokenPayload | undefined => {
    // Guard token-length: without "token.length > tokenLengthMax || ", QueueTokens.test "of more than 1,024" fails.
    if (token.length > tokenLengthMax || !token.startsWith(`${prefix}.`)) return undefined
    const keyEnd = token.indexOf(".", prefix.length + 1)
    const bodyEnd = token.indexOf(".", keyEnd + 1)
    if (keyEnd < 0 || bodyEnd < 0) return undefined
    const hmac = hmacs.get(token.slice(prefix.length + 1, keyEnd))
    if (hmac === undefined) return undefined
    // Guard token-signature: with "true" for "hmac.matches(…+ 1))", QueueTokens.test "character changed" fails.
    return hmac.matches(token.slice(0, bodyEnd), token.slice(bodyEnd + 1))
      ? decodePayload(token.slice(keyEnd + 1, bodyEnd))
      : undefined
  }

  // The key is the whole token, signature included, so a forged token never matches an entry. Only
  // valid tokens are kept.
  const verified = new RecentMap<string, QueueTokenPayload>(verifiedKept)
  const openCached = (token: string): QueueTokenPayload | undefined => {
    const cached = verified.get(token)
    if (cached !== undefined) return cached
    const payload = open(token)
    if (payload !== undefined) verified.set(token, payload)
    return payload
  }

  const verifyBy =
    (read: (token: string) => QueueTokenPayload | undefined): Verify =>
    (token, userId) => {
      if (token === undefined || token === "") return Result.fail(new QueueTokenRequired())
      const payload = read(token)
      const issuedAt = payload?.entry?.issuedAt ?? Number.POSITIVE_INFINITY
      // Guard token-age: with "false" for "clock…> lifetimeSeconds", queueTokenRefusals.test "after 90 days" fails.
      const expired = clock.currentTimeMillisUnsafe() / 1_000 - issuedAt > lifetimeSeconds
      // Guard token-own: without " || payload.userId !== userId", QueueTokens.test "of another user" fails.
      return payload === undefined || payload.userId !== userId || expired
        ? Result.fail(new QueueTokenInvalid())
        : Result.succeed(payload)
    }
  return QueueTokens.of({ sign, verify: verifyBy(open), verifyCached: verifyBy(openCached) })
})

const problemWith = (keys: ReadonlyArray<SigningKey>): string | undefined => {
  // Guard keys-some: without it, QueueTokens.test "are refused if there is none" fails.
  if (keys.length === 0) return "at least one key is needed."
  // Guard keys-distinct: without it, QueueTokens.test "are refused if two share an id" fails.
  if (new Set(keys.map((key) => key.id)).size < keys.length) return "two keys share an id."
  for (const { id, secret } of keys) {
    // Guard key-id: without it, QueueTokens.test "are refused with the id" fails.
    if (!/^[A-Za-z0-9_-]{1,16}$/.test(id)) return "an id is 1 to 16 letters, digits, _ or -."
    // Guard key-secret: without it, QueueTokens.test "are refused under 32 bytes" fails.
    if (Buffer.byteLength(Redacted.value(secret)) < 32) return `key ${id} is under 32 bytes.`
  }
  return undefined
}
