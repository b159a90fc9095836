/**
 * The payload of a queue token and its encoding. Reading needs no key; trusting it needs the key.
 */
import { Schema } from "effect"
import { isUuid, QueueId, type TokenId, UserId } from "../Ids.ts"
import type { QueueLane, TokenRow } from "../queue/model.ts"

/** The payload of a queue token. It can be trusted once its signature has been verified. */
export interface QueueTokenPayload {
  readonly queueId: QueueId
  readonly userId: UserId
  readonly tokenId: TokenId
  /** Lane, number and instant of the join. A token of an earlier release does not have them. */
  readonly entry?: QueueTokenEntry | undefined
}

interface QueueTokenEntry {
  readonly lane: QueueLane
  /** Up to 2^53 - 1. A token with a larger number carries none: only the store knows it. */
  readonly number: number
  /** When the user joined, in seconds since 1970, by the database's clock. */
  readonly issuedAt: number
}

/**
 * The payload of a stored token. It is always the same, so that joining again gives the same token.
 */
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
  entry: { lane, number: Number(number), issuedAt: Math.floor(joinedAt / 1_000) }
})

export const prefix = "bo1"
// A genuine token is far shorter, so a longer one is refused without further work.
export const tokenLengthMax = 1_024

const lanes: ReadonlyArray<QueueLane> = ["general", "priority"]

/** The payload as base64url of a JSON array. */
export const encodePayload = ({ queueId, userId, tokenId, entry }: QueueTokenPayload): string => {
  const owner = [queueId, userId, tokenId]
  const fields =
    entry === undefined || !Number.isSafeInteger(entry.number)
      ? owner
      : [...owner, entry.number, lanes.indexOf(entry.lane), entry.issuedAt]
  return Buffer.from(JSON.stringify(fields)).toString("base64url")
}

/**
 * Decodes a payload. A payload that the engine signed has the right shape. The host may use the key
 * to sign other texts, so this checks enough to tell a payload from them, and no more.
 */
export const decodePayload = (encoded: string): QueueTokenPayload | undefined => {
  const parsed = parse(Buffer.from(encoded, "base64url").toString())
  if (!Array.isArray(parsed)) return undefined
  const [queueId, userId, tokenId, number, laneIndex, issuedAt] = parsed
  // Guard token-id-form: without it, QueueTokens.test "that is no UUID" fails.
  if (!isUuid(tokenId)) return undefined
  if (number === undefined) return { queueId, userId, tokenId }
  const lane = lanes[laneIndex]
  // Guard token-entry-form: without it, QueueTokens.test "over another kind of text" fails.
  if (lane === undefined || !Number.isSafeInteger(number) || !Number.isSafeInteger(issuedAt)) {
    return undefined
  }
  return { queueId, userId, tokenId, entry: { lane, number, issuedAt } }
}

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** The contents of a queue token, as `readQueueToken` gives them. */
export interface QueueTokenContent {
  readonly queueId: QueueId
  readonly userId: UserId
  readonly tokenId: TokenId
  /** Absent in a token of an earlier release. Numbers start at 1 in each lane. */
  readonly entry?: { readonly lane: QueueLane; readonly number: number; readonly issuedAt: Date }
}

const form = new RegExp(`^${prefix}\\.[A-Za-z0-9_-]+\\.([A-Za-z0-9_-]+)\\.[A-Za-z0-9_-]+$`)
const isQueueId = Schema.is(QueueId)
const isUserId = Schema.is(UserId)

/**
 * Reads a queue token without checking its signature, so the result proves nothing. A user can read
 * their own number by it, to check a draw. Returns `undefined` if the text is no queue token.
 *
 * @example
 * ```ts
 * import { readQueueToken } from "@boxoffice/core"
 *
 * const numberOf = (token: string) => readQueueToken(token)?.entry?.number
 * ```
 */
export const readQueueToken = (token: string): QueueTokenContent | undefined => {
  // Guard read-token-length: with "false" for "token.length > tokenLengthMax", QueueTokens.test "returns undefined" fails.
  const encoded = token.length > tokenLengthMax ? undefined : form.exec(token)?.[1]
  const payload = encoded === undefined ? undefined : decodePayload(encoded)
  if (payload === undefined || !isQueueId(payload.queueId) || !isUserId(payload.userId))
    return undefined
  const { entry, ...owner } = payload
  if (entry === undefined) return owner
  // Guard read-token-entry: without it, QueueTokens.test "returns undefined" fails.
  if (entry.number < 1 || entry.issuedAt < 0) return undefined
  return { ...owner, entry: { ...entry, issuedAt: new Date(entry.issuedAt * 1_000) } }
}
