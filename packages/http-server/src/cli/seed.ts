import { Catalog } from "@boxoffice/core"
import { Console, Effect } from "effect"
import { Command } from "effect/cli"
import { seedDemo, showId } from "./demo/data.ts"
import { database, databaseOf, json } from "./flags.ts"
import { layerOffice } from "./office.ts"

export const seed = Command.make("seed", { ...database, json }, (flags) =>
  Effect.gen(function* () {
    const { url, schema } = yield* databaseOf(flags)
    yield* Effect.gen(function* () {
      const catalog = yield* Catalog
      const performanceId = yield* seedDemo
      const performances = (yield* catalog.performances(showId)).map((performance) => ({
        performanceId: performance.performanceId,
        startsAt: new Date(performance.startsAt).toISOString(),
        seats: performance.totalSeats
      }))
      if (flags.json) return yield* Console.log(JSON.stringify({ showId, performances }))
      yield* Console.log(
        [
          `The show ${showId} is on sale in the schema ${schema}:`,
          ...performances.map(
            (one) => `  ${one.performanceId}  ${one.startsAt}  ${one.seats} seats`
          ),
          `Next: \`boxoffice serve\`, and buy a seat of ${performanceId}.`
        ].join("\n")
      )
    }).pipe(Effect.provide(layerOffice(url, schema)))
  })
).pipe(
  Command.withDescription(
    "Add a queue, a show and three performances with seats to a migrated database. Existing rows stay " +
      "as they are, so that running it again adds nothing."
  ),
  Command.withExamples([
    {
      command: "boxoffice migrate && boxoffice seed",
      description: "Demo data on your Postgres"
    }
  ])
)
