/** Estimate of how long a waiting token takes to be admitted. Pure. */
import type { QueueTokenStatus } from "../model.ts"
import type { AdmissionRate } from "./admissionRate.ts"
import { admittedIn, type Movement } from "./movement.ts"

/** The admissions of the last minute as of `now`, and how many a minute allows. */
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

/** The 90th percentile of a normal distribution, in standard deviations. */
const ninetieth = 1.2816
// If the p90 is more than five times the p50, the estimate is of no use, and none is given.
const p90OverP50Max = 5
const varianceMax = (Math.log(p90OverP50Max) / ninetieth) ** 2

/**
 * Seconds until `ahead` + 1 users have been admitted. The p90 adds the spread of random arrivals,
 * and that of a rate that goes on drifting as it did; `null` if the spread is too wide.
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
  const rateVariance = dispersion / counted + (drift * (wait + seconds)) / (2 * seconds)
  if (rateVariance > varianceMax) return null
  const spread = Math.exp(ninetieth * Math.sqrt(rateVariance + dispersion / (ahead + 1)))
  const p50Seconds = Math.max(1, Math.round(wait))
  const p90Seconds = Math.max(1, Math.ceil(wait * spread))
  return p90Seconds > p90OverP50Max * p50Seconds ? null : { p50Seconds, p90Seconds }
}

/** Seconds until `admitPerMinute` allows one more admission than those ahead. */
const waitByLimit = (ahead: number, limit: MinuteLimit): number => {
  const { now, admissions, used, admitPerMinute } = limit
  // So many admissions, of this minute and of those to come, must become a minute old first.
  let left = ahead + 1 - (admitPerMinute - used)
  const minutes = Math.max(0, Math.ceil((left - used) / admitPerMinute))
  left -= minutes * admitPerMinute
  for (const { at, admitted } of left <= 0 ? [] : admissions) {
    left -= admitted
    if (left <= 0) return 60 * minutes + Math.max(0, (at + 60_000 - now) / 1_000)
  }
  return 60 * minutes
}
