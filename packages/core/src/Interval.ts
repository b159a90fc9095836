/** Spans of time, as a host writes them. */

type Unit = "milli" | "second" | "minute" | "hour" | "day"

/** Milliseconds, or a text such as `"30 seconds"`. */
export type Interval = number | `${number} ${Unit | `${Unit}s`}`
