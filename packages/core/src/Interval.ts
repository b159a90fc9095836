/** Spans of time, as a host writes them. */

import { Duration } from "effect"

type Unit = "milli" | "second" | "minute" | "hour" | "day"

/** Milliseconds, or a text such as `"30 seconds"`. */
export type Interval = number | `${number} ${Unit | `${Unit}s`}`

const written = /^\d+(\.\d+)? (milli|second|minute|hour|day)s?$/
/** The most that a timer can wait for: a longer one would fire at once. */
const most = 2_147_483_647

/** Throws a `TypeError` that names the option where a value is none, or none to wait for. */
export const checkInterval = (option: string, value: unknown): Interval => {
  const isWritten = typeof value === "string" && written.test(value)
  const interval = value as Interval
  const milliseconds = isWritten ? Duration.toMillis(Duration.fromInputUnsafe(interval)) : value
  if (typeof milliseconds === "number" && milliseconds >= 1 && milliseconds <= most) return interval
  throw new TypeError(
    `${option}: expected milliseconds from 1 to ${most}, or a text such as "30 seconds", not ${shown(value)}.`
  )
}

const shown = (value: unknown): string =>
  typeof value === "string" ? JSON.stringify(value.slice(0, 40)) : String(value).slice(0, 40)
