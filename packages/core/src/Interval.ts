/** Lengths of time in the format of options. */

import { Duration } from "effect"

type Unit = "milli" | "second" | "minute" | "hour" | "day"

/** Milliseconds, or a text such as `"30 seconds"`. */
export type Interval = number | `${number} ${Unit | `${Unit}s`}`

const textForm = /^\d+(\.\d+)? (milli|second|minute|hour|day)s?$/
/** The longest delay of a timer, in milliseconds: Node fires a longer one at once. */
const delayMax = 2_147_483_647

/** Throws a `TypeError` that names the option if a value is no interval, or out of range. */
export const checkInterval = (option: string, value: unknown): Interval => {
  const isText = typeof value === "string" && textForm.test(value)
  const interval = value as Interval
  const milliseconds = isText ? Duration.toMillis(Duration.fromInputUnsafe(interval)) : value
  // Guard interval: without " && milliseconds <= delayMax", options.test "a sweeper every" fails.
  if (typeof milliseconds === "number" && milliseconds >= 1 && milliseconds <= delayMax)
    return interval
  throw new TypeError(
    `${option}: expected milliseconds from 1 to ${delayMax}, or a text such as "30 seconds", not ${shown(value)}.`
  )
}

/** A value for the message, cut to 40 characters. */
const shown = (value: unknown): string =>
  typeof value === "string" ? JSON.stringify(value.slice(0, 40)) : String(value).slice(0, 40)
