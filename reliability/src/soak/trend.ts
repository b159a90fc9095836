/** Whether a measured value stays flat. */

export interface Point {
  /** In seconds. */
  readonly at: number
  readonly value: number
}

/** How much a value may grow over the whole of the measured time. */
export interface Tolerance {
  /** As a share of its median. */
  readonly share: number
  /** In its own unit. The larger of both counts: a small value may jitter. */
  readonly least: number
}

export interface Trend {
  readonly median: number
  readonly first: number
  readonly last: number
  /** How much it grew over the measured time, by the Theil–Sen slope. */
  readonly growth: number
  /** How much it may have grown. */
  readonly allowed: number
  readonly flat: boolean
}

/** More points cost more than they tell: the slopes are of all pairs. */
const pointsMax = 400

/**
 * The median of the slopes of all pairs of points (Theil–Sen): up to 29 % of the points may be wild
 * without moving it. A value that falls is flat. One that grows shows it in the medians of the two
 * halves as well, by half as much: a wave whose end happens to be higher does not.
 */
export const trendOf = (points: ReadonlyArray<Point>, tolerance: Tolerance): Trend => {
  const used = thinned(points)
  const middle = median(used.map(({ value }) => value))
  const allowed = Math.max(tolerance.least, tolerance.share * Math.abs(middle))
  const slopes = used.flatMap((a, i) =>
    used.slice(i + 1).map((b) => (b.value - a.value) / (b.at - a.at))
  )
  const seconds = (used.at(-1)?.at ?? 0) - (used[0]?.at ?? 0)
  const half = used.length >> 1
  const bySlope = slopes.length === 0 ? 0 : median(slopes) * seconds
  const first = median(used.slice(0, half).map(({ value }) => value))
  const last = median(used.slice(half).map(({ value }) => value))
  return {
    median: middle,
    first,
    last,
    growth: bySlope,
    allowed,
    flat: bySlope <= allowed || last - first <= allowed / 2
  }
}

const thinned = (points: ReadonlyArray<Point>): ReadonlyArray<Point> => {
  const every = Math.ceil(points.length / pointsMax)
  return points.filter((_, i) => i % every === 0)
}

const median = (values: ReadonlyArray<number>): number => {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  if (sorted.length === 0) return 0
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}
