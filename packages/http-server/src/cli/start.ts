/**
 * Composes a server process: the engine with its keys and policies, the server, logs and traces.
 */
import {
  BoxOffice,
  type BoxOfficeStore,
  layerSweeper,
  Policies,
  QueueTokens,
  type SigningKeysInvalid,
  type StoreUnavailable
} from "@boxoffice/core"
import { type DatabaseInvalid, type Migrator, SqlStore } from "@boxoffice/sql-store"
import { ConfigProvider, Console, Effect, Layer, Logger, Redacted, References } from "effect"
import { FetchHttpClient, HttpServer } from "effect/http"
import type { ServeError } from "effect/http/HttpServerError"
import { OtlpSerialization, OtlpTracer } from "effect/observability"
import type { SqlError } from "effect/sql/SqlError"
import type { RequestRecord } from "../http/requestContext.ts"
import { layerServer } from "../server/server.ts"
import { Webhooks } from "../webhooks/webhooks.ts"
import type { ServerConfig } from "./config.ts"

/** The services of the engine. */
type Office = Layer.Success<typeof BoxOffice.layer>

/** What a command does at the start of the server. */
export interface StartHooks<R> {
  /** Runs before the server listens. */
  readonly prepare: Effect.Effect<void, unknown, R>
  /** Runs once the server listens. */
  readonly announce: (url: string) => Effect.Effect<void>
}

/** Serves until interrupted; then shuts down gracefully. */
export const start = <E>(
  config: ServerConfig,
  store: Layer.Layer<BoxOfficeStore, E>,
  hooks: StartHooks<Office>
): Effect.Effect<never, E | ServeError | SigningKeysInvalid | unknown> => {
  const { warnings, ...options } = config
  const server = layerServer({ ...options, onRequest: requestLog(config) })
  const warned = Layer.effectDiscard(
    Effect.forEach(warnings, (warning) => Console.error(`Warning: ${warning}`))
  )
  const announced = Layer.effectDiscard(
    Effect.flatMap(HttpServer.HttpServer, ({ address }) =>
      hooks.announce(urlOf(config.host, "port" in address ? address.port : config.port))
    )
  )
  return Layer.launch(
    announced.pipe(
      Layer.provide(server),
      Layer.provide(Layer.effectDiscard(hooks.prepare)),
      Layer.provide(warned),
      Layer.provide(layerSweeper(`${config.sweepSeconds} seconds`)),
      Layer.provide(config.webhooks.length > 0 ? Webhooks.layer(config.webhooks) : Layer.empty),
      Layer.provide(layerOffice(config)),
      Layer.provide(store),
      Layer.provide(layerObservability(config))
    )
  )
}

type Store = Layer.Layer<
  BoxOfficeStore,
  | Migrator.SchemaMismatch
  | Migrator.MigrationBlocked
  | Migrator.EncodingUnsupported
  | DatabaseInvalid
  | StoreUnavailable
  | SqlError
>

/** The store on the database of the config. */
export const storeOf = (config: ServerConfig): Store =>
  SqlStore.layerUrl({ url: Redacted.value(config.databaseUrl!), ...storeOptions(config) })

/**
 * An embedded Postgres in this process, with its data in a directory or, without one, in memory.
 */
export const embeddedStore = (
  config: ServerConfig,
  dataDir: string | undefined
): Effect.Effect<Store> =>
  Effect.gen(function* () {
    // Load PGlite only if it is used: loading takes a while.
    const { layerPglite } = yield* Effect.promise(() => import("@boxoffice/sql-store/pglite"))
    return SqlStore.layer(storeOptions(config)).pipe(Layer.provide(layerPglite({ dataDir })))
  })

const storeOptions = (config: ServerConfig) => ({
  schema: config.schema,
  migrate: config.migrate,
  maxConnections: config.connections,
  preparedStatements: config.preparedStatements,
  waits: config.waits
})

const layerOffice = (config: ServerConfig) =>
  BoxOffice.layer.pipe(
    Layer.provide([
      QueueTokens.layer(config.signingKeys),
      Layer.succeed(Policies, config.policies)
    ]),
    Layer.provideMerge(Layer.effectContext(Effect.context<BoxOfficeStore>()))
  )

const levels = { debug: "Debug", info: "Info", warn: "Warn", error: "Error" } as const

// The endpoint alone turns traces on: these are the defaults of the other variables.
const tracing = ConfigProvider.fromEnvRecord({
  OTEL_TRACES_EXPORTER: "otlp",
  OTEL_SERVICE_NAME: "boxoffice"
})

const layerObservability = (config: ServerConfig) => {
  const traces = config.exportsTraces
    ? OtlpTracer.layerFromConfig().pipe(
        Layer.provide([FetchHttpClient.layer, OtlpSerialization.layerJson]),
        Layer.provide(ConfigProvider.layerAdd(tracing))
      )
    : // No exporter reads spans, so none are created.
      Layer.succeed(References.TracerEnabled, false)
  return Layer.mergeAll(
    traces,
    Logger.layer([Logger.withConsoleError(Logger.formatJson)]),
    Layer.succeed(References.MinimumLogLevel, levels[config.logLevel])
  )
}

/** Logs a line of JSON for each request on stdout. The lines of one turn are written together. */
const requestLog = (config: ServerConfig): ((record: RequestRecord) => void) | undefined => {
  if (config.logLevel === "warn" || config.logLevel === "error") return undefined
  let lines = ""
  return (record) => {
    if (lines === "") {
      setImmediate(() => {
        process.stdout.write(lines)
        lines = ""
      })
    }
    lines += `${JSON.stringify(record)}\n`
  }
}

const urlOf = (host: string, port: number): string => {
  const reachable = host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host
  return `http://${reachable.includes(":") ? `[${reachable}]` : reachable}:${port}`
}
