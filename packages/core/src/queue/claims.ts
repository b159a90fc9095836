/** What a queue token says, to whoever holds it: no key is needed to read it, only to trust it. */
import { Option, Schema } from "effect"
import { QueueId, TokenId, UserId } from "../Ids.ts"
import type { QueueLane } from "./model.ts"

/** What can be read in a queue token. */
export interface QueueTokenClaims {
  readonly queueId: QueueId
  readonly userId: UserId
  readonly tokenId: TokenId
  /** What a token of an earlier release does not say. Numbers go from 1, in each lane. */
  readonly place?: { readonly lane: QueueLane; readonly number: number; readonly issuedAt: Date }
}

// A genuine token is far shorter.
const lengthMax = 1_024
const form = /^bo1\.[A-Za-z0-9_-]+\.([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]+$/

const lanes: ReadonlyArray<QueueLane> = ["general", "priority"]
const whole = (minimum: number) => Schema.Int.check(Schema.isGreaterThanOrEqualTo(minimum))
const owner = [QueueId, UserId, TokenId] as const
const Claims = Schema.fromJsonString(
  Schema.Union([
    Schema.Tuple([...owner, whole(1), Schema.Literals([0, 1]), whole(0)]),
    Schema.Tuple(owner)
  ])
)
const decode = Schema.decodeUnknownOption(Claims)

/**
 * Reads a queue token without checking its signature, and so proves nothing: its holder can see
 * their number by it, to check a draw. `undefined` for what is no queue token.
 *
 * @example
 * ```ts
 * import { readQueueToken } from "@boxoffice/core"
 *
 * const numberOf = (token: string) => readQueueToken(token)?.place?.number
 * ```
 */
export const readQueueToken = (token: string): QueueTokenClaims | undefined => {
  const claims = token.length > lengthMax ? undefined : form.exec(token)?.[1]
  if (claims === undefined) return undefined
  const decoded = decode(Buffer.from(claims, "base64url").toString())
  if (Option.isNone(decoded)) return undefined
  const [queueId, userId, tokenId] = decoded.value
  if (decoded.value.length === 3) return { queueId, userId, tokenId }
  const [, , , number, lane, issuedAt] = decoded.value
  const place = { number, lane: lanes[lane]!, issuedAt: new Date(issuedAt * 1_000) }
  return { queueId, userId, tokenId, place }
}
