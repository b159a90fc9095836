/** How long people were told that they would wait, beside how long they did. */

import { createHistogram } from "node:perf_hooks"
import type { QueueTokenStatus } from "@boxoffice/core"

/** What one user was told, and whether they came in. Instants are milliseconds since 1970. */
export interface Told {
  /** As of when, p50 and p90, one after another, in milliseconds. */
  readonly estimates: Array<number>
  admittedAt: number | undefined
}

export interface EstimateError {
  /** Estimates that were given. */
  readonly told: number
  /** Those whose p50 came before the sale was over, and the share of users who were in by then. */
  readonly p50Came: number
  readonly inByP50: number
  /** The same of p90. 0.5 and 0.9 are what the names promise. */
  readonly p90Came: number
  readonly inByP90: number
  /**
   * The median distance from p50 to the truth, either way, as a share of the wait. Of those who
   * were not in at the end, the wait until then: they are at least that far off.
   */
  readonly medianErrorShare: number
}

/** By how long p50 said that it takes, in seconds: from this to the next. */
const horizons = [0, 30, 120]

/**
 * Compares what was told with what happened, both by the database's clock.
 *
 * A sale ends with most of the line still waiting, and to look only at those who were let in would
 * leave out whoever was told too little and never came in. So an estimate counts where the instant
 * that it named came before the end, whether its user was in by then or not; and no other does.
 */
export const makeEstimates = () => {
  const everyone: Array<Told> = []
  let endedAt = 0
  let silent = 0
  return {
    /** Somebody new, who has been told nothing. */
    follow: (): Told => {
      const told = { estimates: [], admittedAt: undefined }
      everyone.push(told)
      return told
    },
    /** Somebody was told their place, and maybe how long it will take. */
    note: ({ estimates }: Told, { estimatedWait, asOf }: QueueTokenStatus): void => {
      if (asOf === undefined) return
      endedAt = Math.max(endedAt, asOf.getTime())
      if (estimatedWait === null) {
        silent++
        return
      }
      const { p50Seconds, p90Seconds } = estimatedWait
      estimates.push(asOf.getTime(), p50Seconds * 1_000, p90Seconds * 1_000)
    },
    /** Somebody was let in. */
    cameIn: (told: Told, admittedAt: Date): void => {
      told.admittedAt = admittedAt.getTime()
      endedAt = Math.max(endedAt, told.admittedAt)
    },
    /** Of what each user was told first, of all that they were told, and by how long that was. */
    get: () => {
      const first = makeTally(endedAt)
      const every = makeTally(endedAt)
      const byHorizon = horizons.map((fromSeconds) => ({ fromSeconds, ...makeTally(endedAt) }))
      for (const { estimates, admittedAt = Number.POSITIVE_INFINITY } of everyone) {
        for (let i = 0; i < estimates.length; i += 3) {
          const [at, p50Ms, p90Ms] = [estimates[i]!, estimates[i + 1]!, estimates[i + 2]!]
          // Let in between the reading that they were told of and the telling.
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
        /** How often somebody was told their place, and that nobody knows how long it takes. */
        silent
      }
    }
  }
}

interface Estimate {
  readonly at: number
  readonly p50Ms: number
  readonly p90Ms: number
  /** Infinite where they were not let in. */
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
