/** Compares the estimated waits that users were shown with the waits that followed. */

import { createHistogram } from "node:perf_hooks"
import type { QueueTokenStatus } from "@boxoffice/core"

/** The estimates of one user, and their admission. Instants are milliseconds since 1970. */
export interface Forecast {
  /** For each estimate three numbers: its instant, p50 and p90, in milliseconds. */
  readonly estimates: Array<number>
  admittedAt: number | undefined
}

export interface EstimateError {
  /** The number of estimates. */
  readonly told: number
  /**
   * Estimates whose p50 was before the end of the sale, and the share of users admitted by then.
   */
  readonly p50Came: number
  readonly inByP50: number
  /** The same of p90. 0.5 and 0.9 are what the names promise. */
  readonly p90Came: number
  readonly inByP90: number
  /**
   * The median error of p50, in either direction, as a share of the wait. For users who were not
   * admitted by the end it is the wait until then, so their error is at least that.
   */
  readonly medianErrorShare: number
}

/** Groups of estimates by their p50, in seconds: from each value to the next. */
const horizons = [0, 30, 120]

/**
 * Compares estimates with admissions, both by the database's clock.
 *
 * A sale ends while most users are still waiting. Counting only admitted users would leave out
 * those whose estimate was too short and who were never admitted. So an estimate counts if and only
 * if the instant that it predicted was before the end, whether or not its user was admitted by
 * then.
 */
export const makeEstimates = () => {
  const forecasts: Array<Forecast> = []
  let endedAt = 0
  let silent = 0
  return {
    /** Starts to follow a user. */
    follow: (): Forecast => {
      const forecast = { estimates: [], admittedAt: undefined }
      forecasts.push(forecast)
      return forecast
    },
    /** Adds the estimate of a status, if it has one. */
    add: ({ estimates }: Forecast, { estimatedWait, asOf }: QueueTokenStatus): void => {
      if (asOf === undefined) return
      endedAt = Math.max(endedAt, asOf.getTime())
      if (estimatedWait === null) {
        silent++
        return
      }
      const { p50Seconds, p90Seconds } = estimatedWait
      estimates.push(asOf.getTime(), p50Seconds * 1_000, p90Seconds * 1_000)
    },
    /** Records the admission of a user. */
    recordAdmission: (forecast: Forecast, admittedAt: Date): void => {
      forecast.admittedAt = admittedAt.getTime()
      endedAt = Math.max(endedAt, forecast.admittedAt)
    },
    /** The errors of each user's first estimate, of all estimates, and by groups of p50. */
    get: () => {
      const first = makeTally(endedAt)
      const every = makeTally(endedAt)
      const byHorizon = horizons.map((fromSeconds) => ({ fromSeconds, ...makeTally(endedAt) }))
      for (const { estimates, admittedAt = Number.POSITIVE_INFINITY } of forecasts) {
        for (let i = 0; i < estimates.length; i += 3) {
          const [at, p50Ms, p90Ms] = [estimates[i]!, estimates[i + 1]!, estimates[i + 2]!]
          // The user was admitted between the read of the estimate and the response.
          if (admittedAt <= at) continue
          const horizon = byHorizon.findLast(({ fromSeconds }) => p50Ms >= fromSeconds * 1_000)!
          for (const tally of i === 0 ? [first, every, horizon] : [every, horizon]) {
            tally.add({ at, p50Ms, p90Ms, admittedAt })
          }
        }
      }
      return {
        first: first.get(),
        every: every.get(),
        byHorizon: byHorizon.map(({ fromSeconds, get }) => ({ fromSeconds, ...get() })),
        /** The number of statuses without an estimate. */
        silent
      }
    }
  }
}

interface Estimate {
  readonly at: number
  readonly p50Ms: number
  readonly p90Ms: number
  /** Infinite if the user was not admitted. */
  readonly admittedAt: number
}

const shareSteps = 10_000

const makeTally = (endedAt: number) => {
  const errorShare = createHistogram()
  const came = { p50: 0, p90: 0 }
  const inBy = { p50: 0, p90: 0 }
  let told = 0
  return {
    add: ({ at, p50Ms, p90Ms, admittedAt }: Estimate): void => {
      told++
      for (const [name, ms] of [
        ["p50", p50Ms],
        ["p90", p90Ms]
      ] as const) {
        if (at + ms > endedAt) continue
        came[name]++
        if (admittedAt <= at + ms) inBy[name]++
      }
      if (at + p50Ms > endedAt) return
      const waitedMs = Math.min(admittedAt, endedAt) - at
      const share = Math.abs(waitedMs - p50Ms) / waitedMs
      errorShare.record(Math.max(1, Math.round(share * shareSteps)))
    },
    get: (): EstimateError => ({
      told,
      p50Came: came.p50,
      inByP50: came.p50 === 0 ? 0 : inBy.p50 / came.p50,
      p90Came: came.p90,
      inByP90: came.p90 === 0 ? 0 : inBy.p90 / came.p90,
      medianErrorShare: came.p50 === 0 ? 0 : errorShare.percentile(50) / shareSteps
    })
  }
}
