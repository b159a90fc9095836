/** Checks random histories. A history that fails is shrunk; the error tells its story, and the seed. */
import { Arbitrary, Effect, type Schema } from "effect"

export interface Histories<Step> {
  readonly seed: string
  readonly runs: number
  readonly maxShrinks: number
  /** The fewest steps of a history. Default 10. */
  readonly minLength?: number
  readonly step: Schema.Codec<Step, unknown>
  /** Fails with the story of a difference. */
  readonly play: (history: ReadonlyArray<Step>, count: Count) => Effect.Effect<void, string>
}

/** Counts what has happened, by its name. */
export type Count = (what: string) => void

/** Gives how often each thing happened. With `STATS` it prints that. */
export const checkHistories = async <Step>({
  seed,
  runs,
  maxShrinks,
  minLength = 10,
  step,
  play
}: Histories<Step>): Promise<ReadonlyMap<string, number>> => {
  const histories = Arbitrary.array(Arbitrary.schema(step), { minLength, maxLength: 40 })
  const seen = new Map<string, number>()
  const count = (what: string) => seen.set(what, (seen.get(what) ?? 0) + 1)
  const holds = (history: ReadonlyArray<Step>) => Effect.as(play(history, count), true)
  const result = await Effect.runPromise(
    Arbitrary.checkEffect(histories, holds, { seed, runs, maxShrinks, size: 40 })
  )
  if (process.env.STATS) console.log(new Map([...seen].sort()))
  if (result._tag === "Passed") return seen
  const isStory = result._tag === "Falsified" && result.failure._tag !== "ReturnedFalse"
  const story = isStory ? result.failure.error : Arbitrary.formatCheckFailure(result)
  throw new Error(`Again with SEED=${JSON.stringify(seed)} HISTORIES=${runs}\n${story}`)
}
