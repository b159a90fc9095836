/** What a token counts as at an instant, and what its user is told. Pure. */
import type { QueueTokenStatus, TokenRow, TokenState } from "./model.ts"

/** An admitted token that has lapsed is expired, whatever is stored. */
export const tokenStateAt = (
  token: Pick<TokenRow, "state" | "expiresAt">,
  now: number
): TokenState =>
  token.state === "admitted" && token.expiresAt !== null && token.expiresAt <= now
    ? "expired"
    : token.state

const pollSecondsMax = 30

/** A quarter of the shortest wait that the admission rate allows; never hectic, never asleep. */
const pollAfterSeconds = (ahead: number, admitPerMinute: number): number =>
  Math.min(pollSecondsMax, Math.max(1, Math.floor(((ahead / admitPerMinute) * 60) / 4)))

const dateOrNull = (instant: number | null): Date | null =>
  instant === null ? null : new Date(instant)

/** What the owner of a token is told at an instant. */
export const queueTokenStatus = (token: TokenRow, ahead: number, now: number): QueueTokenStatus => {
  const state = tokenStateAt(token, now)
  const waiting = state === "waiting"
  return {
    queueId: token.queueId,
    state,
    position: waiting ? ahead + 1 : 0,
    ahead: waiting ? ahead : 0,
    estimatedWait: null,
    pollAfterSeconds: waiting
      ? pollAfterSeconds(ahead, token.settings.admitPerMinute)
      : pollSecondsMax,
    admittedAt: dateOrNull(token.admittedAt),
    expiresAt: state === "admitted" ? dateOrNull(token.expiresAt) : null
  }
}
