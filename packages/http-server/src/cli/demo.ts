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
    const schema = config.schema ?? "boxoffice"
    yield* Console.error(
      config.databaseUrl === undefined
        ? "Starting an embedded Postgres ..."
        : `Using the database of DATABASE_URL: ${config.migrate ? `migrating the schema ${schema}` : `in the schema ${schema}`}, and adding demo data ...`
    )
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
    "Serve the API with demo data, on an embedded Postgres. With DATABASE_URL, it migrates the schema " +
      "boxoffice of that database, or BOXOFFICE_SCHEMA, and adds the demo data there. The variables that `serve --help` lists apply as well."
  ),
  Command.withExamples([
    { command: "boxoffice demo", description: "Try it out; the data is lost at the end" },
    { command: "boxoffice demo --data-dir ./data", description: "Keep the data" }
  ])
)
