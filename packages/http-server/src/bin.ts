#!/usr/bin/env node
/** The command line: `serve` for real, `demo` to look around. */
import { readFileSync } from "node:fs"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Cause, Console, Effect, Exit, Option, Schema } from "effect"
import { CliError, Command, Flag } from "effect/cli"
import { type ServerConfig, serverConfig, variables } from "./config.ts"
import { instructions, seedDemo } from "./demo.ts"
import { embeddedStore, start, storeOf } from "./start.ts"

const port = Flag.Int("port").pipe(
  Flag.withDescription("Where to listen; PORT, or else 3000, where left out"),
  Flag.withSchema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 65_535 }))),
  Flag.optional
)

const dataDir = Flag.String("data-dir").pipe(
  Flag.withDescription("A directory that keeps the data; in memory where left out"),
  Flag.optional
)

const withPort = (config: ServerConfig, port: Option.Option<number>): ServerConfig => ({
  ...config,
  port: Option.getOrElse(port, () => config.port)
})

const serve = Command.make("serve", { port }, ({ port }) =>
  Effect.gen(function* () {
    const config = withPort(yield* serverConfig({ demo: false }), port)
    return yield* start(config, storeOf(config), {
      prepare: Effect.void,
      announce: (url) => Console.error(JSON.stringify({ message: `listening on ${url}` }))
    })
  })
).pipe(
  Command.withShortDescription("Serve the API on a Postgres database"),
  Command.withDescription(
    ["Serve the API on a Postgres database. Environment variables say how:", ""]
      .concat(variables.map(([name, means]) => `${name}: ${means}`))
      .join("\n")
  )
)

const demo = Command.make("demo", { port, dataDir }, ({ port, dataDir }) =>
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
  Command.withShortDescription("Serve the API with demo data, with nothing to install"),
  Command.withDescription(
    "Serve the API with demo data, on an embedded Postgres, or on that of DATABASE_URL. The " +
      "variables that `serve --help` lists hold as well."
  )
)

/** What went wrong, and what to do about it, in the words of whoever started the server. */
const explain = (error: unknown): string => {
  const problem = error as { _tag?: string; message?: string; cause?: unknown }
  const cause = problem.cause as { code?: string; port?: number; message?: string } | undefined
  if (problem._tag === "ServeError") {
    return cause?.code === "EADDRINUSE"
      ? `Port ${cause.port} is taken. Stop what listens there, or choose another: --port ${(cause.port ?? 0) + 1}`
      : `Cannot listen: ${cause?.message}`
  }
  if (problem._tag === "StoreUnavailable" || problem._tag === "SqlError") {
    return `The database cannot be used: ${deepest(problem)}`
  }
  return problem.message ?? String(error)
}

const deepest = (error: unknown): string => {
  const { cause, reason, message } = error as {
    cause?: unknown
    reason?: unknown
    message?: string
  }
  const inner = cause ?? reason
  return typeof inner === "object" && inner !== null ? deepest(inner) : (message ?? String(error))
}

const boxoffice = Command.make("boxoffice-server").pipe(
  Command.withDescription("Box Office: waiting room, seat holds, wallet and payment over HTTP"),
  Command.withSubcommands([serve, demo])
)

// `pnpm demo -- --port 4000` hands the dashes on.
const args = process.argv.slice(2).filter((arg) => arg !== "--")

const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"))

Command.runWith(boxoffice, { version })(args).pipe(
  Effect.tapCause((cause) => {
    const error = Cause.squash(cause)
    if (Cause.hasInterruptsOnly(cause) || CliError.isCliError(error)) return Effect.void
    return Console.error(explain(error))
  }),
  Effect.provide(NodeServices.layer),
  NodeRuntime.runMain({
    disableErrorReporting: true,
    // Being asked to end is no failure.
    teardown: (exit, onExit) =>
      onExit(Exit.isSuccess(exit) || Cause.hasInterruptsOnly(exit.cause) ? 0 : 1)
  })
)
