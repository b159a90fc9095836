/** What a token counts as at an instant, and what its user is told. Pure. */
import type { QueueId, TokenId } from "../Ids.ts"
import type { QueueTokenStatus, TokenRow, TokenState } from "./model.ts"

/** An admitted token that has lapsed is expired, whatever is stored. */
export const tokenStateAt = (
  token: Pick<TokenRow, "state" | "expiresAt">,
  now: number
): TokenState =>
  token.state === "admitted" && token.expiresAt !== null && token.expiresAt <= now
    ? "expired"
    : token.state

/** Between two polls of one who is in: only the session's end is news. */
const pollSecondsInside = 30
const pollSecondsMax = 60

/**
 * When to ask again: after a quarter of the wait, at most a minute. Half as much more or less by
 * chance, anew each time: however many ask at once, the next time they are spread out.
 */
export const pollAfterSeconds = (waitSeconds: number, tokenId: string, now: number): number => {
  const base = Math.min(pollSecondsMax, waitSeconds / 4)
  return Math.max(1, Math.round(base * (0.5 + chance(`${tokenId}${Math.floor(now / 1_000)}`))))
}

/** From 0 to 1, the same for the same text: FNV-1a, its bits mixed once more. */
const chance = (text: string): number => {
  let h = 0x811c9dc5
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193)
  h = Math.imul(h ^ (h >>> 16), 0x45d9f3b)
  h = Math.imul(h ^ (h >>> 16), 0x45d9f3b)
  return ((h ^ (h >>> 16)) >>> 0) / 2 ** 32
}

const dateOrNull = (instant: number | null): Date | null =>
  instant === null ? null : new Date(instant)

/** What somebody who waits is told. */
export const waitingStatus = (
  token: { readonly queueId: QueueId; readonly tokenId: TokenId },
  place: {
    readonly ahead: number
    readonly estimatedWait: QueueTokenStatus["estimatedWait"]
    /** About how long nothing will change for them. */
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

/** The shortest wait that the limit allows, in seconds: what to go by where none was measured. */
export const minWaitSeconds = (ahead: number, admitPerMinute: number): number =>
  (ahead / admitPerMinute) * 60

/** What somebody is told whose token has ended without their having been let in. */
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

/** What the owner of a token is told at an instant. */
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
