import { setFlagsFromString } from "node:v8"
import { Console, Effect, Option, Schema } from "effect"
import { Command, Flag } from "effect/cli"
import { type ServerConfig, serverConfig, variables } from "./config.ts"
import { start, storeOf } from "./start.ts"

export const port = Flag.Int("port").pipe(
  Flag.withDescription("The port to listen on; default PORT, or else 3000"),
  Flag.withSchema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 65_535 }))),
  Flag.optional
)

export const withPort = (config: ServerConfig, port: Option.Option<number>): ServerConfig => ({
  ...config,
  port: Option.getOrElse(port, () => config.port)
})

/**
 * Lets V8 grow the young generation to 16 MB in one step. An idle server has one of 1 MB, and V8
 * grows it only as objects survive in it. The objects of a poll do not survive, so it stayed small,
 * and garbage collection took a third of the server's time.
 */
const keepYoungGenerationLarge = Effect.sync(() =>
  setFlagsFromString("--semi-space-growth-factor=16")
)

export const serve = Command.make("serve", { port }, ({ port }) =>
  Effect.gen(function* () {
    yield* keepYoungGenerationLarge
    const config = withPort(yield* serverConfig({ demo: false }), port)
    return yield* start(config, storeOf(config), {
      prepare: Effect.void,
      announce: (url) => Console.error(JSON.stringify({ message: `listening on ${url}` }))
    })
  })
).pipe(
  Command.withDescription(
    ["Serve the API on a Postgres database. Environment variables configure it:", ""]
      .concat(variables.map(([name, means]) => `${name}: ${means}`))
      .join("\n")
  ),
  Command.withExamples([
    {
      command: "DATABASE_URL=postgres://app@db/tickets boxoffice serve --port 8080",
      description: "Serve a migrated database"
    }
  ])
)
