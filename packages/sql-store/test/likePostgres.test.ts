/**
 * The database in memory against a real server: random interleavings of statements by three sessions
 * wait for the same locks, and end in the same answers and errors. `SEED` and `HISTORIES` explore
 * further.
 */
import { Effect } from "effect"
import { expect, test } from "vitest"
import { checkHistories } from "./memory/check.ts"
import { openServer, play } from "./memory/play.ts"
import { Step } from "./memory/steps.ts"
import { atEnd, emptyDatabase } from "./support.ts"

const seed = process.env.SEED ?? "like Postgres"
const runs = Number(process.env.HISTORIES ?? 150)

test(`random histories are the same in memory and on Postgres (seed: ${seed}, histories: ${runs})`, {
  timeout: 60_000 + runs * 10_000
}, async () => {
  const server = await openServer(await emptyDatabase())
  atEnd(server.close)
  const seen = await checkHistories({
    seed,
    runs,
    maxShrinks: 200,
    step: Step,
    play: (history, count) =>
      Effect.gen(function* () {
        const { story, difference } = yield* Effect.promise(() => play(server, history, count))
        if (difference !== undefined) yield* Effect.fail([...story, "", difference].join("\n"))
      })
  })
  // Histories in which no session ever waits prove nothing.
  if (runs < 150) return
  const counted = (ends: string) =>
    Array.from(seen).reduce((sum, [what, times]) => sum + (what.endsWith(ends) ? times : 0), 0)
  expect(counted(": waits")).toBeGreaterThan(10)
  expect(seen.get("after a wait: answers") ?? 0).toBeGreaterThan(0)
})
