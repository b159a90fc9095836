/**
 * The database in memory against a real server: random interleavings of statements by three sessions
 * wait for the same locks, and end in the same answers and errors. `SEED` and `HISTORIES` explore
 * further.
 */
import { Arbitrary, Effect } from "effect"
import { expect, test } from "vitest"
import { openServer, play } from "./memory/play.ts"
import { Step } from "./memory/steps.ts"
import { atEnd, emptyDatabase } from "./support.ts"

const seed = process.env.SEED ?? "like Postgres"
const runs = Number(process.env.HISTORIES ?? 150)

const histories = Arbitrary.array(Arbitrary.schema(Step), { minLength: 10, maxLength: 40 })

test(`random histories are the same in memory and on Postgres (seed: ${seed}, histories: ${runs})`, {
  timeout: 60_000 + runs * 10_000
}, async () => {
  const server = await openServer(await emptyDatabase())
  atEnd(server.close)
  const seen = new Map<string, number>()
  const count = (what: string) => seen.set(what, (seen.get(what) ?? 0) + 1)
  const differs = (history: ReadonlyArray<Step>) =>
    Effect.gen(function* () {
      const { story, difference } = yield* Effect.promise(() => play(server, history, count))
      if (difference === undefined) return true
      return yield* Effect.fail([...story, "", difference].join("\n"))
    })
  const result = await Effect.runPromise(
    Arbitrary.checkEffect(histories, differs, { seed, runs, maxShrinks: 200, size: 40 })
  )
  if (process.env.STATS) console.log(new Map([...seen].sort()))
  if (result._tag !== "Passed") {
    const isStory = result._tag === "Falsified" && result.failure._tag !== "ReturnedFalse"
    const story = isStory ? result.failure.error : Arbitrary.formatCheckFailure(result)
    throw new Error(`Again with SEED=${JSON.stringify(seed)} HISTORIES=${runs}\n${story}`)
  }
  // Histories in which no session ever waits prove nothing.
  if (runs < 150) return
  const counted = (ends: string) =>
    Array.from(seen).reduce((sum, [what, times]) => sum + (what.endsWith(ends) ? times : 0), 0)
  expect(counted(": waits")).toBeGreaterThan(10)
  expect(seen.get("after a wait: answers") ?? 0).toBeGreaterThan(0)
})
