/** The times in which the database's clock did not step: instants compare only within one of them. */
import { worldStart } from "../Machine.ts"

/** A step of the database's clock: when, in milliseconds since the world began, and by how much. */
export interface ClockStep {
  readonly elapsedMs: number
  readonly byMs: number
}

/** A time without a step, in milliseconds since the world began. */
export interface Steady {
  readonly fromMs: number
  readonly untilMs: number
  /** How far the database's clock was ahead of the machine's. */
  readonly aheadMs: number
}

/** The times between the steps of a world that has lasted until `endMs`. */
export const steadyTimes = (
  steps: ReadonlyArray<ClockStep>,
  endMs: number
): ReadonlyArray<Steady> => {
  const times: Array<Steady> = []
  let fromMs = 0
  let aheadMs = 0
  for (const { elapsedMs, byMs } of steps) {
    times.push({ fromMs, untilMs: elapsedMs, aheadMs })
    fromMs = elapsedMs
    aheadMs += byMs
  }
  times.push({ fromMs, untilMs: endMs, aheadMs })
  return times
}

/** An instant, in milliseconds since the world began, and the time without a step that has it. */
export interface Moment {
  readonly elapsedMs: number
  readonly steady: Steady
}

/**
 * When the database's clock showed an instant, and within which time. `undefined` if it did so twice,
 * since it stepped back: then nobody can tell which of the two an event belongs to.
 */
export const momentOf = (times: ReadonlyArray<Steady>, instant: number): Moment | undefined => {
  const elapsedIn = ({ aheadMs }: Steady) => instant - worldStart - aheadMs
  const found = times.filter((steady) => {
    const elapsedMs = elapsedIn(steady)
    return elapsedMs >= steady.fromMs && elapsedMs <= steady.untilMs
  })
  const [steady, other] = found
  if (steady === undefined || other !== undefined) return undefined
  return { elapsedMs: elapsedIn(steady), steady }
}
