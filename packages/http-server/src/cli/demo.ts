import { Console, Effect, Option } from "effect"
import { Command, Flag } from "effect/cli"
import { serverConfig } from "./config.ts"
import { instructions, seedDemo } from "./demo/data.ts"
import { port, withPort } from "./serve.ts"
import { embeddedStore, start, storeOf } from "./start.ts"

const dataDir = Flag.String("data-dir").pipe(
  Flag.withDescription("A directory for the data; default in memory"),
  Flag.optional
)

export const demo = Command.make("demo", { port, dataDir }, ({ port, dataDir }) =>
  Effect.gen(function* () {
    const config = withPort(yield* serverConfig({ demo: true }), port)
    if (config.databaseUrl === undefined) yield* Console.error("Starting an embedded Postgres ...")
    const store =
      config.databaseUrl === undefined
        ? yield* embeddedStore(config, Option.getOrUndefined(dataDir))
        : storeOf(config)
    let performanceId = ""
    return yield* start(config, store, {
      prepare: Effect.map(seedDemo, (next) => {
        performanceId = next
      }),
      announce: (url) => Console.log(instructions({ url, performanceId }))
    })
  })
).pipe(
  Command.withDescription(
    "Serve the API with demo data, on an embedded Postgres or on the database of DATABASE_URL. The " +
      "variables that `serve --help` lists apply as well."
  ),
  Command.withExamples([
    { command: "boxoffice demo", description: "Try it out; the data is lost at the end" },
    { command: "boxoffice demo --data-dir ./data", description: "Keep the data" }
  ])
)
