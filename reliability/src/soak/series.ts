/** What was measured over time, and which of it must stay flat. */
import { type Point, type Tolerance, type Trend, trendOf } from "./trend.ts"

/** Values over time by name. */
export class Series {
  readonly #points = new Map<string, Array<Point>>()

  add(at: number, measured: Readonly<Record<string, number>>): void {
    for (const [name, value] of Object.entries(measured)) {
      const points = this.#points.get(name)
      if (points === undefined) this.#points.set(name, [{ at, value }])
      else points.push({ at, value })
    }
  }

  names(): ReadonlyArray<string> {
    return [...this.#points.keys()].sort()
  }

  of(name: string): ReadonlyArray<Point> {
    return this.#points.get(name) ?? []
  }

  since(name: string, from: number): ReadonlyArray<Point> {
    return this.of(name).filter(({ at }) => at >= from)
  }
}

const mb = 1_048_576

/**
 * The books: a row of a payment is kept for ever. Here their bytes are compared with their rows, in
 * `bytes a row` of each.
 */
export const books: ReadonlySet<string> = new Set(["reservation", "transfer"])

/**
 * What must stay flat, by its name, and how much it may grow over the measured time. What is not
 * listed is reported and not judged.
 */
const tolerances: ReadonlyArray<readonly [name: RegExp, tolerance: Tolerance, why: string]> = [
  [/^heap /, { share: 0.1, least: 6 * mb }, "the heap after a full collection: 10 %, 6 MB"],
  [/^external /, { share: 0.1, least: 6 * mb }, "buffers outside of the heap: 10 %, 6 MB"],
  [/^rss /, { share: 0.15, least: 30 * mb }, "resident memory: 15 %, 30 MB"],
  [/^descriptors /, { share: 0.1, least: 20 }, "file descriptors: 10 %, 20"],
  [/^connections$/, { share: 0, least: 2 }, "connections of the nodes: 2"],
  [/^stuckTransactions$/, { share: 0, least: 0.5 }, "transactions idle for a second: none"],
  [/^(table|indexes) /, { share: 0.2, least: mb }, "a table, its indexes: 20 %, 1 MB"],
  [/^bytes a row of /, { share: 0.2, least: 20 }, "bytes a row of the books: 20 %, 20 bytes"],
  [/^dead /, { share: 0.5, least: 3_000 }, "dead rows of a table: 50 %, 3,000"],
  [
    /^(outboxRows|behind )/,
    { share: 0.2, least: 500 },
    "the outbox and its readers: 20 %, 500 batches"
  ],
  [/^deliveriesWaiting$/, { share: 0.5, least: 50 }, "webhooks that wait: 50 %, 50"],
  [/^oldestDeliverySeconds$/, { share: 0.5, least: 10 }, "the oldest of them: 50 %, 10 s"],
  [/^cpu /, { share: 0.3, least: 1 }, "processor time of a request: 30 %, 1 ms"],
  [/^p50 /, { share: 0.5, least: 20 }, "the median latency of an operation: 50 %, 20 ms"],
  [/^p99 /, { share: 1, least: 200 }, "its 99th percentile: 100 %, 200 ms"],
  [
    /^loop /,
    { share: 1, least: 100 },
    "the delay of the event loop, 99th percentile: 100 %, 100 ms"
  ]
]

export const thresholds: ReadonlyArray<string> = tolerances.map(([, , why]) => why)

interface Judged extends Trend {
  readonly name: string
}

export interface Judgement {
  readonly judged: ReadonlyArray<Judged>
  /** Why latencies and delays were not judged; undefined if they were. */
  readonly unjudged: string | undefined
  /** How many samples there are of the time after the warm-up. */
  readonly samples: number
}

/** A trend compares the medians of two halves: of fewer samples, each half tells of chance alone. */
export const samplesMin = 10

/** What other processes of the machine may take before latencies tell about them. */
const othersCoresMax = 0.5

/** Wall-clock time, which the rest of the machine decides as much as the servers do. */
const isOfTheClock = (name: string): boolean => /^(p50|p99|loop) /.test(name)

/** Judges every series that must stay flat, from the end of the warm-up on. */
export const judge = (series: Series, from: number): Judgement => {
  const others = trendOf(series.since("others", from), { share: 0.3, least: 0.2 })
  const unjudged =
    others.median <= othersCoresMax && others.flat
      ? undefined
      : `latencies and delays, since other processes took ${others.first.toFixed(1)} cores ` +
        `in the first half, ${others.last.toFixed(1)} in the second`
  const judged = series.names().flatMap((name) => {
    const [, table = ""] = /^(?:table|indexes) (.*)$/.exec(name) ?? []
    if (books.has(table) || (unjudged !== undefined && isOfTheClock(name))) return []
    const found = tolerances.find(([pattern]) => pattern.test(name))
    if (found === undefined) return []
    return [{ name, ...trendOf(series.since(name, from), found[1]) }]
  })
  const samples = Math.max(0, ...series.names().map((name) => series.since(name, from).length))
  return { judged, unjudged, samples }
}
