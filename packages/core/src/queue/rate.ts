/** How fast a queue lets people in, and so how long it takes until it is one's turn. Pure. */
import type { Grant } from "./model.ts"

const minute = 60_000

/** How fast a queue lets people in, as measured. */
export interface AdmissionRate {
  readonly perSecond: number
  /** The variance of the admissions of a second over their mean; 1 where they come by chance. */
  readonly dispersion: number
}

/** How many were inside at a reading of the queue. */
export interface Occupancy {
  readonly at: number
  readonly active: number
}

// A second's worth of readings says nothing, a few seconds' something.
const watchedLeast = 5_000
const occupancyEvery = 1_000
const nearlyFull = 0.9

/** The readings of the last minute with a newer one, one for each second. The oldest first. */
export const remember = (
  occupied: ReadonlyArray<Occupancy>,
  newer: Occupancy
): ReadonlyArray<Occupancy> => {
  const recent = occupied.filter(({ at }) => at > newer.at - minute)
  const last = recent.at(-1)
  return last !== undefined && newer.at - last.at < occupancyEvery ? recent : [...recent, newer]
}

/**
 * The rate of the last minute; `undefined` where nobody was let in. Grants: the oldest first.
 *
 * An empty house fills in a moment; from then on people come in only as others go out. So where the
 * house is full, whoever came in to fill it is not counted: what is left is how fast people leave.
 * While nobody knows how many that were, nothing is told.
 */
export const admissionRate = (
  grants: ReadonlyArray<Grant>,
  now: number,
  house?: {
    readonly active: number
    readonly maxActive: number
    readonly occupied: ReadonlyArray<Occupancy>
  }
): AdmissionRate | undefined => {
  const recent = grants.filter(({ at }) => at > now - minute)
  const [oldest] = recent
  if (oldest === undefined) return undefined
  const seconds = Math.min(60, Math.max(1, (now - oldest.at) / 1_000 + 1))
  const lately = recent.map(({ admitted }) => admitted)
  // Where fewer came in than are there, the house was full before.
  const isFull = house !== undefined && house.active >= house.maxActive * nearlyFull
  if (!isFull || sum(lately) < house.active) return rateOf(lately, seconds)

  const [first] = house.occupied
  if (first === undefined || now - first.at < watchedLeast) return undefined
  const since = recent.flatMap(({ at, admitted }) => (at > first.at ? admitted : []))
  return rateOf(withoutFilling(since, house.active - first.active), (now - first.at) / 1_000)
}

/** Takes those away who only filled the house: they came in the seconds that let most in. */
const withoutFilling = (counts: ReadonlyArray<number>, filling: number): ReadonlyArray<number> => {
  let left = Math.max(0, filling)
  return counts
    .toSorted((a, b) => b - a)
    .map((count) => {
      const taken = Math.min(count, left)
      left -= taken
      return count - taken
    })
}

const sum = (counts: ReadonlyArray<number>): number => counts.reduce((a, b) => a + b, 0)

const rateOf = (counts: ReadonlyArray<number>, seconds: number): AdmissionRate | undefined => {
  const perSecond = sum(counts) / seconds
  if (perSecond === 0) return undefined
  const squares = sum(counts.map((count) => count ** 2))
  const variance = Math.max(0, squares / seconds - perSecond ** 2)
  return { perSecond, dispersion: Math.max(1, variance / perSecond) }
}

/** How many standard deviations nine in ten stay below. */
const ninetieth = 1.2816

/** How long it takes until as many as are ahead, and one, have been let in. */
export const estimatedWait = (
  ahead: number,
  { perSecond, dispersion }: AdmissionRate
): { readonly p50Seconds: number; readonly p90Seconds: number } => {
  const mean = (ahead + 1) / perSecond
  const spread = (ninetieth * Math.sqrt((ahead + 1) * dispersion)) / perSecond
  return { p50Seconds: Math.max(1, Math.round(mean)), p90Seconds: Math.ceil(mean + spread) }
}
