/** How long it takes until it is one's turn. Pure. */
import type { QueueTokenStatus } from "../model.ts"
import type { AdmissionRate } from "./admissionRate.ts"
import { admittedIn, type Movement } from "./movement.ts"

/** Who was let in within the last minute, as of `now`, and how many may be. */
export interface MinuteLimit extends Pick<Movement, "now" | "admissions"> {
  readonly used: number
  readonly admitPerMinute: number
}

export const minuteLimitOf = ({ now, admissions, queue }: Movement): MinuteLimit => ({
  now,
  admissions,
  used: admittedIn(admissions),
  admitPerMinute: queue.settings.admitPerMinute
})

/** How many standard deviations nine in ten stay below. */
const ninetieth = 1.2816
// Who can say no more than that it may take five times as long says nothing.
const spreadTold = 5
const spreadMost = (Math.log(spreadTold) / ninetieth) ** 2

/**
 * How long it takes until as many as are ahead, and one, have been let in. The spread is that of
 * chance, and that of a rate which goes on to move as it did; `null` where that is too much.
 */
export const estimatedWait = (
  ahead: number,
  rate: AdmissionRate,
  limit: MinuteLimit
): QueueTokenStatus["estimatedWait"] => {
  const { counted, seconds, dispersion, drift } = rate
  const allowed = waitByLimit(ahead, limit)
  const measured = rate.secondsFirst + (ahead + 1) / rate.perSecond
  const wait = rate.isLimited ? allowed : Math.max(allowed, measured)
  const unknown = dispersion / counted + (drift * (wait + seconds)) / (2 * seconds)
  if (unknown > spreadMost) return null
  const spread = Math.exp(ninetieth * Math.sqrt(unknown + dispersion / (ahead + 1)))
  const p50Seconds = Math.max(1, Math.round(wait))
  const p90Seconds = Math.max(1, Math.ceil(wait * spread))
  return p90Seconds > spreadTold * p50Seconds ? null : { p50Seconds, p90Seconds }
}

/** In how many seconds the limit by the minute lets the next in who comes behind these. */
const waitByLimit = (ahead: number, limit: MinuteLimit): number => {
  const { now, admissions, used, admitPerMinute } = limit
  // So many admissions have to be a minute ago first: of this minute, and of those to come.
  let left = ahead + 1 - (admitPerMinute - used)
  const minutes = Math.max(0, Math.ceil((left - used) / admitPerMinute))
  left -= minutes * admitPerMinute
  for (const { at, admitted } of left <= 0 ? [] : admissions) {
    left -= admitted
    if (left <= 0) return 60 * minutes + Math.max(0, (at + 60_000 - now) / 1_000)
  }
  return 60 * minutes
}
