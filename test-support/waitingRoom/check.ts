/** Runs random histories. A failing one is shrunk, and its steps are printed. */
import { Arbitrary, Effect } from "effect"
import { play, type Violation } from "./play.ts"
import type { Room } from "./room.ts"
import { histories } from "./steps.ts"

export interface CheckOptions {
  readonly seed: string
  readonly runs: number
  readonly maxShrinks: number
}

/**
 * Runs random histories, each in a room of its own. Returns how often each kind of event occurred,
 * so that the caller can check that the histories cover enough.
 */
export const checkHistories = Effect.fnUntraced(function* (
  inRoom: (use: (room: Room) => Effect.Effect<void, Violation>) => Effect.Effect<void, Violation>,
  options: CheckOptions
) {
  const seen = new Map<string, number>()
  const count = (what: string) => seen.set(what, (seen.get(what) ?? 0) + 1)
  const result = yield* Arbitrary.checkEffect(
    histories,
    (history) =>
      Effect.as(
        inRoom((room) => play(room, history, count)),
        true
      ),
    { ...options, size: 60 }
  )
  if (process.env.STATS) console.log(seen)
  if (result._tag === "Passed") return seen
  if (result._tag !== "Falsified" || result.failure._tag === "ReturnedFalse") {
    return yield* Effect.die(new Error(Arbitrary.formatCheckFailure(result)))
  }
  const { story, reason } = result.failure.error
  return yield* Effect.die(
    new Error(
      [
        `History ${result.runs} (seed: ${options.seed}) shows a fault:`,
        ...story,
        "",
        reason,
        "",
        `Again with SEED=${JSON.stringify(options.seed)} HISTORIES=${options.runs}`
      ].join("\n")
    )
  )
})
