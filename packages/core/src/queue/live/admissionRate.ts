/** Admission rate of a queue, measured by the history of its movement. Pure. */
import {
  isFull,
  isRateLimited,
  type Movement,
  type MovementHistory,
  type Sample
} from "./movement.ts"

/** How fast a queue admits users, and how well that is known. */
export interface AdmissionRate {
  readonly perSecond: number
  /** The number of users in the window that it was measured by. */
  readonly counted: number
  /** The length of that window. */
  readonly seconds: number
  /** The variance of the count of a second over its mean; 1 for random, independent admissions. */
  readonly dispersion: number
  /** How far the rate moves from one such window to the next: the mean square of its logarithm. */
  readonly drift: number
  /** Whether `admitPerMinute` is the limit that users wait for. */
  readonly isLimited: boolean
  /** How long the queue admits no users at first, since more are inside than `maxActive`. */
  readonly secondsFirst: number
}

// A window of a second says nothing; one of a few seconds is of use.
const windowSecondsMin = 5
// The random error of a count of 400 is 5 %.
const countMin = 400
// Stands for the time that was not observed: as if the logarithm of the rate had moved once by 0.5.
const driftPrior = 0.5 ** 2

/**
 * Admission rate over the shortest recent window with ≥ 400 admissions and ≥ 5 s, or over all that
 * was observed if no window has as many. `undefined` if that is less than 5 s, or no token moved.
 *
 * Once the queue is full, users are admitted only as sessions end. Then the ended sessions are
 * counted, in proportion to the users inside: admissions that only filled the room do not count,
 * and if `maxActive` grows, so does the rate.
 */
export const admissionRate = (
  { samples, admissions }: MovementHistory,
  queue: Movement["queue"]
): AdmissionRate | undefined => {
  const { active, settings } = queue
  const { maxActive, admitPerMinute } = settings
  const full = isFull(queue)
  const last = samples.at(-1)!
  if (!full && isRateLimited(admissions, queue)) {
    // Admissions from before a pause still use up the limit, but say nothing about the rate after
    // it.
    const hasMoved = last.admitted > samples[0]!.admitted
    return hasMoved ? limitedRate(admitPerMinute, last.at - samples[0]!.at) : undefined
  }
  const measure = full ? endedOf(Math.min(active, maxActive)) : admitted
  const shortest = samples.findLastIndex((sample) => {
    const { count, seconds } = measure(sample, last)
    return seconds >= windowSecondsMin && count >= countMin
  })
  const from = Math.max(0, shortest)
  const recent = measure(samples[from]!, last)
  if (recent.seconds < windowSecondsMin || recent.count <= 0) return undefined
  const dispersion = dispersionOf(samples.slice(from), measure)
  const perSecond = recent.count / recent.seconds
  // Sessions end in proportion to the users inside, so the excess shrinks exponentially.
  const excess = Math.log(Math.max(1, active / maxActive))
  return {
    perSecond: Math.min(perSecond, admitPerMinute / 60),
    counted: recent.count,
    seconds: recent.seconds,
    dispersion,
    drift: driftOf(samples.slice(0, from + 1), measure, recent, dispersion),
    isLimited: false,
    secondsFirst: (maxActive / perSecond) * excess
  }
}

/**
 * The rate while `admitPerMinute` is the limit: each minute repeats the last one, without spread.
 */
const limitedRate = (admitPerMinute: number, observedMs: number): AdmissionRate => ({
  perSecond: admitPerMinute / 60,
  counted: admitPerMinute,
  seconds: 60,
  dispersion: 0,
  drift: driftPrior / (1 + observedMs / 60_000),
  isLimited: true,
  secondsFirst: 0
})

interface Count {
  readonly count: number
  readonly seconds: number
}
type Measure = (from: Sample, to: Sample) => Count

const admitted: Measure = (from, to) => ({
  count: to.admitted - from.admitted,
  seconds: (to.at - from.at) / 1_000
})

/**
 * Counts ended sessions. A second counts in proportion to the users inside: as one with `inside`.
 */
const endedOf =
  (inside: number): Measure =>
  (from, to) => ({
    count: to.ended - from.ended,
    seconds: (to.insideSeconds - from.insideSeconds) / inside
  })

const dispersionOf = (samples: ReadonlyArray<Sample>, measure: Measure): number => {
  const whole = measure(samples[0]!, samples.at(-1)!)
  let squares = 0
  for (let i = 1; i < samples.length; i++) {
    const { count, seconds } = measure(samples[i - 1]!, samples[i]!)
    squares += (count - (whole.count / whole.seconds) * seconds) ** 2
  }
  return Math.max(1, squares / whole.count)
}

/** Compares each window with the one before it, as far back as the history goes. */
const driftOf = (
  before: ReadonlyArray<Sample>,
  measure: Measure,
  recent: Count,
  dispersion: number
): number => {
  let squares = driftPrior
  let moves = 1
  let end = before.at(-1)!
  let later = recent.count
  for (const start of before.toReversed()) {
    const { count, seconds } = measure(start, end)
    if (seconds < recent.seconds) continue
    const earlier = (Math.max(0, count) * recent.seconds) / seconds
    const byChance = dispersion * (1 / (later + 1) + 1 / (earlier + 1))
    squares += Math.log((later + 1) / (earlier + 1)) ** 2 - byChance
    moves++
    end = start
    later = earlier
  }
  return Math.max(driftPrior, squares) / moves
}
