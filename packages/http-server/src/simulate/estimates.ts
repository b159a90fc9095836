/** How long people were told that they would wait, beside how long they did. */

import { createHistogram } from "node:perf_hooks"
import type { QueueTokenStatus } from "@boxoffice/core"

/** What one user was told so far: as of when, p50 and p90, one after another, in milliseconds. */
export type Told = Array<number>

export interface EstimateError {
  /** Estimates of which the truth is known, since their users were let in. */
  readonly estimates: number
  /** Shares that came true by then: 0.5 and 0.9 are what the names promise. */
  readonly inByP50: number
  readonly inByP90: number
  /** The share within the band from p50 to p90: 0.4 is what is promised. */
  readonly withinBand: number
  /** The median distance from p50 to the truth, either way. */
  readonly medianErrorSeconds: number
  /** The same as a share of the true wait. */
  readonly medianErrorShare: number
}

/** Notes an estimate. Where none is given, nothing is promised. */
export const note = (told: Told, { estimatedWait, asOf }: QueueTokenStatus): void => {
  if (estimatedWait === null || asOf === undefined) return
  const { p50Seconds, p90Seconds } = estimatedWait
  told.push(asOf.getTime(), p50Seconds * 1_000, p90Seconds * 1_000)
}

/** Compares what was told with what happened, both by the database's clock. */
export const makeEstimateErrors = () => {
  const first = makeTally()
  const every = makeTally()
  return {
    /** Somebody was let in. */
    cameIn: (told: Told, admittedAt: Date): void => {
      for (let i = 0; i < told.length; i += 3) {
        const waitedMs = admittedAt.getTime() - told[i]!
        // Let in between the reading that they were told of and the telling.
        if (waitedMs <= 0) continue
        if (i === 0) first.add(waitedMs, told[1]!, told[2]!)
        every.add(waitedMs, told[i + 1]!, told[i + 2]!)
      }
    },
    /** Of what each user was told first, and of all that they were told. */
    get: () => ({ first: first.get(), every: every.get() })
  }
}

const shareSteps = 10_000

const makeTally = () => {
  const errorMs = createHistogram()
  const errorShare = createHistogram()
  let estimates = 0
  let byP50 = 0
  let byP90 = 0
  return {
    add: (waitedMs: number, p50Ms: number, p90Ms: number): void => {
      estimates++
      if (waitedMs <= p50Ms) byP50++
      if (waitedMs <= p90Ms) byP90++
      const offMs = Math.abs(waitedMs - p50Ms)
      errorMs.record(Math.max(1, Math.round(offMs)))
      errorShare.record(Math.max(1, Math.round((offMs / waitedMs) * shareSteps)))
    },
    get: (): EstimateError => {
      const share = (part: number) => (estimates === 0 ? 0 : part / estimates)
      return {
        estimates,
        inByP50: share(byP50),
        inByP90: share(byP90),
        withinBand: share(byP90 - byP50),
        medianErrorSeconds: estimates === 0 ? 0 : errorMs.percentile(50) / 1_000,
        medianErrorShare: estimates === 0 ? 0 : errorShare.percentile(50) / shareSteps
      }
    }
  }
}
