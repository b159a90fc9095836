import { setFlagsFromString } from "node:v8"
import { Console, Effect, Option, Schema } from "effect"
import { Command, Flag } from "effect/cli"
import { type ServerConfig, serverConfig, variables } from "./config.ts"
import { start, storeOf } from "./start.ts"

export const port = Flag.Int("port").pipe(
  Flag.withDescription("Where to listen; PORT, or else 3000, where left out"),
  Flag.withSchema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 65_535 }))),
  Flag.optional
)

export const withPort = (config: ServerConfig, port: Option.Option<number>): ServerConfig => ({
  ...config,
  port: Option.getOrElse(port, () => config.port)
})

/**
 * A server that was quiet has a young generation of 1 MB, which V8 doubles only as much survives in
 * it. Of a poll nothing does, so that collecting took a third of its time. Grown once, it is 16 MB.
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
    ["Serve the API on a Postgres database. Environment variables say how:", ""]
      .concat(variables.map(([name, means]) => `${name}: ${means}`))
      .join("\n")
  ),
  Command.withExamples([
    {
      command: "DATABASE_URL=postgres://app@db/tickets boxoffice serve --port 8080",
      description: "Serve a database that was migrated before"
    }
  ])
)
