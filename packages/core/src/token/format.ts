/** What a queue token says, and how: no key is needed to read it, only to trust it. */
import { Schema } from "effect"
import { isUuid, QueueId, type TokenId, UserId } from "../Ids.ts"
import type { QueueLane, TokenRow } from "../queue/model.ts"

/** What a queue token says. It can be trusted once its signature has been found good. */
export interface QueueTokenPayload {
  readonly queueId: QueueId
  readonly userId: UserId
  readonly tokenId: TokenId
  /** What was given out with the place. A token of an earlier release does not say. */
  readonly place?: QueueTokenPlace | undefined
}

export interface QueueTokenPlace {
  readonly lane: QueueLane
  /** Up to 2^53 - 1; of what is beyond, only the store knows. */
  readonly number: number
  /** In seconds since 1970, by the database's clock. */
  readonly issuedAt: number
}

/** The ticket of a token: the same whenever it is asked for, so that joining again gives the same. */
export const payloadFor = ({
  queueId,
  userId,
  tokenId,
  lane,
  number,
  joinedAt
}: TokenRow): QueueTokenPayload => ({
  queueId,
  userId,
  tokenId,
  place: { lane, number: Number(number), issuedAt: Math.floor(joinedAt / 1_000) }
})

export const prefix = "bo1"
// A genuine token is far shorter; what is longer is not looked at.
export const tokenLengthMax = 1_024

const lanes: ReadonlyArray<QueueLane> = ["general", "priority"]

/** What a token says, as it is written in it. */
export const encodePayload = ({ queueId, userId, tokenId, place }: QueueTokenPayload): string => {
  const owner = [queueId, userId, tokenId]
  const claims =
    place === undefined || !Number.isSafeInteger(place.number)
      ? owner
      : [...owner, place.number, lanes.indexOf(place.lane), place.issuedAt]
  return Buffer.from(JSON.stringify(claims)).toString("base64url")
}

/**
 * Reads it again. What we have signed has the shape that we gave it, unless the key signs other
 * things, too: so no more is looked at than tells the one from the other.
 */
export const decodePayload = (claims: string): QueueTokenPayload | undefined => {
  const parsed = parse(Buffer.from(claims, "base64url").toString())
  if (!Array.isArray(parsed)) return undefined
  const [queueId, userId, tokenId, number, laneIndex, issuedAt] = parsed
  if (!isUuid(tokenId)) return undefined
  if (number === undefined) return { queueId, userId, tokenId }
  const lane = lanes[laneIndex]
  if (lane === undefined || !Number.isSafeInteger(number) || !Number.isSafeInteger(issuedAt)) {
    return undefined
  }
  return { queueId, userId, tokenId, place: { lane, number, issuedAt } }
}

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** What can be read in a queue token. */
export interface QueueTokenClaims {
  readonly queueId: QueueId
  readonly userId: UserId
  readonly tokenId: TokenId
  /** What a token of an earlier release does not say. Numbers go from 1, in each lane. */
  readonly place?: { readonly lane: QueueLane; readonly number: number; readonly issuedAt: Date }
}

const form = new RegExp(`^${prefix}\\.[A-Za-z0-9_-]+\\.([A-Za-z0-9_-]+)\\.[A-Za-z0-9_-]+$`)
const isQueueId = Schema.is(QueueId)
const isUserId = Schema.is(UserId)

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
  const claims = token.length > tokenLengthMax ? undefined : form.exec(token)?.[1]
  const payload = claims === undefined ? undefined : decodePayload(claims)
  if (payload === undefined || !isQueueId(payload.queueId) || !isUserId(payload.userId))
    return undefined
  const { place, ...owner } = payload
  if (place === undefined) return owner
  if (place.number < 1 || place.issuedAt < 0) return undefined
  return { ...owner, place: { ...place, issuedAt: new Date(place.issuedAt * 1_000) } }
}
