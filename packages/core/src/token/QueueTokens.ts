/**
 * The signed form of a queue token, which is what a client carries. It proves whose place it is,
 * in which queue and with which number, without asking the store: a poll of somebody who waits is
 * this and arithmetic. Whether an admitted place is still good, the store knows.
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

/** The signing keys cannot be used. */
export class SigningKeysInvalid extends TaggedError<SigningKeysInvalid>()("SigningKeysInvalid", {
  reason: Schema.String
}) {
  override get message() {
    return `Queue token keys: ${this.reason}`
  }
}

// No character takes more in UTF-8.
const bytesMax = 3 * tokenLengthMax
// Those of who is inside, a few hundred bytes each.
const tokensKnown = 10_000
/** Longer than any sale. A ticket is not shown for ever. */
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
    /** The ticket of a user's token; refuses one that is missing, forged or another user's. */
    readonly verify: Verify
    /**
     * The same, for those who show their token with every call: the last genuine ones are known by
     * heart. Of a million who wait and ask now and then, none would be found.
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
  const macs = new Map(
    keys.map(({ id, secret }) => [id, makeHmac(Redacted.value(secret), bytesMax)])
  )
  const signingKey = keys[0]!.id
  // Of a lifetime of months, a machine whose clock is wrong by minutes is as good a judge.
  const clock = yield* Clock.Clock

  const sign = (payload: QueueTokenPayload): string => {
    const body = `${prefix}.${signingKey}.${encodePayload(payload)}`
    return `${body}.${macs.get(signingKey)!.of(body)}`
  }

  const open = (token: string): QueueTokenPayload | undefined => {
    if (token.length > tokenLengthMax || !token.startsWith(`${prefix}.`)) return undefined
    const keyEnd = token.indexOf(".", prefix.length + 1)
    const bodyEnd = token.indexOf(".", keyEnd + 1)
    if (keyEnd < 0 || bodyEnd < 0) return undefined
    const mac = macs.get(token.slice(prefix.length + 1, keyEnd))
    if (mac === undefined) return undefined
    return mac.matches(token.slice(0, bodyEnd), token.slice(bodyEnd + 1))
      ? decodePayload(token.slice(keyEnd + 1, bodyEnd))
      : undefined
  }

  // To be found here a token has to be the same to the last character; whatever is not is checked,
  // and a forged one refused, in the time that takes.
  const known = new RecentMap<string, QueueTokenPayload>(tokensKnown)
  const recognise = (token: string): QueueTokenPayload | undefined => {
    const before = known.get(token)
    if (before !== undefined) return before
    const payload = open(token)
    if (payload !== undefined) known.set(token, payload)
    return payload
  }

  const verifyBy =
    (read: (token: string) => QueueTokenPayload | undefined): Verify =>
    (token, userId) => {
      if (token === undefined || token === "") return Result.fail(new QueueTokenRequired())
      const payload = read(token)
      const issuedAt = payload?.place?.issuedAt ?? Number.POSITIVE_INFINITY
      const expired = clock.currentTimeMillisUnsafe() / 1_000 - issuedAt > lifetimeSeconds
      return payload === undefined || payload.userId !== userId || expired
        ? Result.fail(new QueueTokenInvalid())
        : Result.succeed(payload)
    }
  return QueueTokens.of({ sign, verify: verifyBy(open), verifyCached: verifyBy(recognise) })
})

const problemWith = (keys: ReadonlyArray<SigningKey>): string | undefined => {
  if (keys.length === 0) return "at least one key is needed."
  if (new Set(keys.map((key) => key.id)).size < keys.length) return "two keys share an id."
  for (const { id, secret } of keys) {
    if (!/^[A-Za-z0-9_-]{1,16}$/.test(id)) return "an id is 1 to 16 letters, digits, _ or -."
    if (Buffer.byteLength(Redacted.value(secret)) < 32) return `key ${id} is under 32 bytes.`
  }
  return undefined
}
