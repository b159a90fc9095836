/** The state of a token at an instant, and the status that its user is shown. Pure. */
import { fnv1a } from "../engine/fnv.ts"
import type { QueueId, TokenId } from "../Ids.ts"
import type { QueueTokenStatus, TokenRow, TokenState } from "./model.ts"

/** An admitted token whose end has passed is expired, even before a batch has stored that. */
export const tokenStateAt = (
  token: Pick<TokenRow, "state" | "expiresAt">,
  now: number
): TokenState =>
  token.state === "admitted" && token.expiresAt !== null && token.expiresAt <= now
    ? "expired"
    : token.state

/** The poll delay of a user who does not wait: only the end of a session can change. */
const pollSecondsInside = 30
const pollSecondsMax = 60

/**
 * After how many seconds a waiting client should poll again: a quarter of the wait, at most a
 * minute, varied at random by up to half of it. The variation differs from poll to poll, so clients
 * that poll at the same time spread out.
 */
export const pollAfterSeconds = (waitSeconds: number, tokenId: string, now: number): number => {
  const base = Math.min(pollSecondsMax, waitSeconds / 4)
  return Math.max(1, Math.round(base * (0.5 + chance(`${tokenId}${Math.floor(now / 1_000)}`))))
}

/** A number from 0 to 1, always the same for a text: FNV-1a with its bits mixed once more. */
const chance = (text: string): number => {
  let h = fnv1a(text)
  h = Math.imul(h ^ (h >>> 16), 0x45d9f3b)
  h = Math.imul(h ^ (h >>> 16), 0x45d9f3b)
  return ((h ^ (h >>> 16)) >>> 0) / 2 ** 32
}

const dateOrNull = (instant: number | null): Date | null =>
  instant === null ? null : new Date(instant)

/** The status of a waiting token. */
export const waitingStatus = (
  token: { readonly queueId: QueueId; readonly tokenId: TokenId },
  place: {
    readonly ahead: number
    readonly estimatedWait: QueueTokenStatus["estimatedWait"]
    /** About how long the token waits until it is admitted or the queue opens. */
    readonly waitSeconds: number
    readonly now: number
  }
): QueueTokenStatus => ({
  queueId: token.queueId,
  state: "waiting",
  position: place.ahead + 1,
  ahead: place.ahead,
  estimatedWait: place.estimatedWait,
  pollAfterSeconds: pollAfterSeconds(place.waitSeconds, token.tokenId, place.now),
  admittedAt: null,
  expiresAt: null
})

/** The shortest wait that `admitPerMinute` allows, in seconds: for when no rate was measured. */
export const minWaitSeconds = (ahead: number, admitPerMinute: number): number =>
  (ahead / admitPerMinute) * 60

/** The status of a token that ended before it was admitted. */
export const endedStatus = (queueId: QueueId, state: TokenState): QueueTokenStatus => ({
  queueId,
  state,
  position: 0,
  ahead: 0,
  estimatedWait: null,
  pollAfterSeconds: pollSecondsInside,
  admittedAt: null,
  expiresAt: null
})

/** The status of a stored token at an instant. */
export const queueTokenStatus = (token: TokenRow, ahead: number, now: number): QueueTokenStatus => {
  const state = tokenStateAt(token, now)
  if (state === "waiting") {
    const waitSeconds = minWaitSeconds(ahead, token.settings.admitPerMinute)
    return waitingStatus(token, { ahead, estimatedWait: null, waitSeconds, now })
  }
  return {
    ...endedStatus(token.queueId, state),
    admittedAt: dateOrNull(token.admittedAt),
    expiresAt: state === "admitted" ? dateOrNull(token.expiresAt) : null
  }
}
