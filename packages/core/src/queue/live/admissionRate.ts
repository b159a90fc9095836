/** How fast a queue lets people in, from what was seen of it. Pure. */
import {
  isFull,
  isRateLimited,
  type Movement,
  type MovementHistory,
  type Sample
} from "./movement.ts"

/** How fast a queue lets people in, and how well that is known. */
export interface AdmissionRate {
  readonly perSecond: number
  /** How many it was measured by, over how many seconds. */
  readonly counted: number
  readonly seconds: number
  /** The variance of the count of a second over its mean; 1 where they come by chance. */
  readonly dispersion: number
  /** How far the rate moves from such a while to the next: the mean square, of logarithms. */
  readonly drift: number
  /** Whether the limit by the minute is what people wait for. */
  readonly isLimited: boolean
  /** How long nobody comes in at first, since more are inside than may be. */
  readonly secondsFirst: number
}

// A second's worth of readings says nothing, a few seconds' something.
const secondsLeast = 5
// By chance alone, a count of 400 is off by a twentieth.
const countedEnough = 400
// One move by half stands for all that was not watched.
const driftFirst = 0.5 ** 2

/**
 * The rate of late: of as long as it took to count enough. `undefined` where it was not watched for
 * long enough, or nobody moves.
 *
 * Once the house is full, people come in only as others end. Then those are what is counted, by how
 * many were inside: so nobody counts who only filled the house, and where it grows, the rate does.
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
    // Admissions of before a pause limit what follows it, and tell nothing of it.
    const hasMoved = last.admitted > samples[0]!.admitted
    return hasMoved ? limitedRate(admitPerMinute, last.at - samples[0]!.at) : undefined
  }
  const measure = full ? endedOf(Math.min(active, maxActive)) : admitted
  const enough = samples.findLastIndex((sample) => {
    const { count, seconds } = measure(sample, last)
    return seconds >= secondsLeast && count >= countedEnough
  })
  const from = Math.max(0, enough)
  const lately = measure(samples[from]!, last)
  if (lately.seconds < secondsLeast || lately.count <= 0) return undefined
  const dispersion = dispersionOf(samples.slice(from), measure)
  const perSecond = lately.count / lately.seconds
  // The fuller it still is, the more of them end.
  const tooFull = Math.log(Math.max(1, active / maxActive))
  return {
    perSecond: Math.min(perSecond, admitPerMinute / 60),
    counted: lately.count,
    seconds: lately.seconds,
    dispersion,
    drift: driftOf(samples.slice(0, from + 1), measure, lately, dispersion),
    isLimited: false,
    secondsFirst: (maxActive / perSecond) * tooFull
  }
}

/** A minute is as the one before, and nothing is left to chance, for as long as the limit decides. */
const limitedRate = (admitPerMinute: number, watchedMs: number): AdmissionRate => ({
  perSecond: admitPerMinute / 60,
  counted: admitPerMinute,
  seconds: 60,
  dispersion: 0,
  drift: driftFirst / (1 + watchedMs / 60_000),
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

/** Seconds of a house with so many inside. */
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

/** Compares each while with the one before it, as far back as it was watched. */
const driftOf = (
  before: ReadonlyArray<Sample>,
  measure: Measure,
  lately: Count,
  dispersion: number
): number => {
  let squares = driftFirst
  let moves = 1
  let end = before.at(-1)!
  let later = lately.count
  for (const start of before.toReversed()) {
    const { count, seconds } = measure(start, end)
    if (seconds < lately.seconds) continue
    const earlier = (Math.max(0, count) * lately.seconds) / seconds
    const byChance = dispersion * (1 / (later + 1) + 1 / (earlier + 1))
    squares += Math.log((later + 1) / (earlier + 1)) ** 2 - byChance
    moves++
    end = start
    later = earlier
  }
  return Math.max(driftFirst, squares) / moves
}
